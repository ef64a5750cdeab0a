import { graphql, type ResultOf } from "../graphql/tada.js";

export const RECEIPT = graphql(`
  query TransactionReceipt($id: ID!) {
    transaction(id: $id) { id receipt { index proof } }
    checkpoint { origin size at publicKey cosignedBy }
  }
`);

export type LogHead = NonNullable<ResultOf<typeof RECEIPT>["checkpoint"]>;
