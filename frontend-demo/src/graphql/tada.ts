import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./schema.js";

/** Parses an operation. Its types are inferred from the service's schema in the editor. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: { ID: string; DateTime: string; Decimal: string; BigInt: string; CurrencyCode: string };
}>();

export type { ResultOf, TadaDocumentNode, VariablesOf } from "gql.tada";
