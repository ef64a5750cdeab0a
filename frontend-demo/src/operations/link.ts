import { stringifyDocument, type AnyVariables } from "@urql/core";
import type { TadaDocumentNode } from "../graphql/tada.js";

/** A GraphQL operation as a page sends it. */
export interface Operation {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  /** The demo user who sends it; the account's by default. */
  readonly subject?: string;
}

export function operationOf<Data, Variables extends AnyVariables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
): Operation {
  return { query: stringifyDocument(document), variables: { ...variables } };
}

/** GraphiQL with this operation in a tab of its own, signed in as this demo user. */
export function graphiqlLink({ query, variables }: Operation, subject: string): string {
  return `/graphiql#op=${encodeURIComponent(JSON.stringify({ query, variables }))}&as=${encodeURIComponent(subject)}`;
}
