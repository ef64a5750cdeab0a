import { graphql, type ResultOf } from "../graphql/tada.js";

export const TRANSACTION = graphql(`
  query Transaction($id: ID!) {
    transaction(id: $id) {
      id type status description reference metadata { key value } failureCode idempotencyKey createdAt completedAt
      amount { amount currency }
      sender { walletId displayName wallet { id name } }
      receiver { walletId displayName wallet { id name } }
      fees { label payer explanation amount { amount currency } }
      entries {
        id sequence direction purpose createdAt
        amount { amount currency }
        balanceBefore { amount currency }
        balanceAfter { amount currency }
        wallet { id name owner { displayName } }
      }
    }
  }
`);

export type LoadedTransaction = NonNullable<ResultOf<typeof TRANSACTION>["transaction"]>;
export type Entry = LoadedTransaction["entries"][number];
