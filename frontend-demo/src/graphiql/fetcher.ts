import type { Fetcher } from "@graphiql/toolkit";
import { Kind, OperationTypeNode, parse } from "graphql";
import { createClient, type Client } from "graphql-ws";

/**
 * Queries and mutations by POST, subscriptions over a WebSocket of their own: each tab may be somebody else, and a socket
 * belongs to the token that opened it.
 */
export function paycoreFetcher(): Fetcher {
  return (asked, options) => {
    const headers = (options?.headers ?? {}) as Record<string, string>;
    const request = { query: asked.query, variables: asked.variables as Record<string, unknown>, operationName: asked.operationName };
    return isSubscription(asked.query, asked.operationName) ? stream(request, headers) : post(request, headers);
  };
}

interface Request {
  readonly query: string;
  readonly variables: Record<string, unknown>;
  readonly operationName?: string | null | undefined;
}

async function post(request: Request, headers: Record<string, string>): Promise<object> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json" },
    body: JSON.stringify(request),
  });
  return (await response.json()) as object;
}

async function* stream(request: Request, headers: Record<string, string>): AsyncGenerator<object> {
  const client = socket(headers);
  try {
    yield* client.iterate(request) as AsyncIterable<object>;
  } finally {
    void client.dispose();
  }
}

function socket(headers: Record<string, string>): Client {
  const url = new URL("/graphql", window.location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return createClient({ url: url.href, connectionParams: headers, retryAttempts: 0 });
}

function isSubscription(query: string, name: string | null | undefined): boolean {
  try {
    const operations = parse(query).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    const chosen = operations.find((operation) => operation.name?.value === name) ?? operations[0];
    return chosen?.operation === OperationTypeNode.SUBSCRIPTION;
  } catch {
    // The service says better what is wrong with it.
    return false;
  }
}
