import { cacheExchange, Client, fetchExchange } from "@urql/core";
import { keepLastGood, reportTo } from "../../src/graphql/lastGood.js";
import { connection } from "../../src/live/page.js";
import type { Account } from "../../src/session/account.js";

/** What a request gets: data, GraphQL errors beside it, or no answer. A promise lets it wait. */
export type Reply = { readonly data: unknown } | Error;

/** A client as the pages have it, whose requests get these replies in turn; without a further one they get no answer. */
export class Answers {
  readonly variables: Record<string, unknown>[] = [];
  readonly #replies: (Reply | Promise<Reply>)[];

  constructor(...replies: readonly (Reply | Promise<Reply>)[]) {
    this.#replies = [...replies];
  }

  add(...replies: readonly (Reply | Promise<Reply>)[]): void {
    this.#replies.push(...replies);
  }

  account(): Account {
    const client = new Client({
      url: "http://127.0.0.1/graphql",
      preferGetMethod: false,
      fetch: (_, init) => this.#fetch(init?.body),
      exchanges: [keepLastGood(), cacheExchange, reportTo(connection), fetchExchange],
      requestPolicy: "cache-and-network",
    });
    return { subject: `user-${crypto.randomUUID()}`, name: "Alice", isAdmin: true, pages: client, plain: client } as unknown as Account;
  }

  async #fetch(body: unknown): Promise<Response> {
    this.variables.push((JSON.parse(String(body)) as { readonly variables: Record<string, unknown> }).variables);
    const reply = await (this.#replies.shift() ?? new TypeError("Failed to fetch"));
    if (reply instanceof Error) {
      throw reply;
    }
    return new Response(JSON.stringify(reply), { headers: { "Content-Type": "application/json" } });
  }
}

/** A page of a list. */
export function pageOf(nodes: readonly object[], endCursor: string | null = null): object {
  return { edges: nodes.map((node, index) => ({ cursor: `c${index}`, node })), pageInfo: { hasNextPage: endCursor !== null, endCursor } };
}
