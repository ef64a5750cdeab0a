import type { Fetcher } from "@graphiql/toolkit";
import { Kind, OperationTypeNode, parse, type OperationDefinitionNode } from "graphql";
import type { Request, Stream } from "./stream.js";

const MOVED = { subscription: "It is running. Its events are in the list named Events, also while you run other operations." };

/** Sends queries and mutations by POST. Subscriptions run in the stream, so that no other tab or operation ends them. */
export function paycoreFetcher(stream: Stream): Fetcher {
  return (asked, options) => {
    const headers = (options?.headers ?? {}) as Record<string, string>;
    const request = { query: asked.query, variables: asked.variables as Record<string, unknown>, operationName: asked.operationName };
    const operation = operationIn(asked.query, asked.operationName);
    if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
      return post(request, headers);
    }
    stream.start(request, operation.name?.value ?? "", headers);
    return Promise.resolve(MOVED);
  };
}

async function post(request: Request, headers: Record<string, string>): Promise<object> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json" },
    body: JSON.stringify(request),
  });
  return (await response.json()) as object;
}

/** Undefined for text that cannot be parsed: the service then answers with the reason. */
function operationIn(query: string, name: string | null | undefined): OperationDefinitionNode | undefined {
  try {
    const operations = parse(query).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    return operations.find((operation) => operation.name?.value === name) ?? operations[0];
  } catch {
    return undefined;
  }
}
