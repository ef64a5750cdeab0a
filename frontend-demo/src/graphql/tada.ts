import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./schema.js";

/** Operations whose types are inferred from the service's schema while they are written. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: { ID: string; DateTime: string; Decimal: string; BigInt: string; CurrencyCode: string };
}>();

export type { ResultOf, TadaDocumentNode, VariablesOf } from "gql.tada";
