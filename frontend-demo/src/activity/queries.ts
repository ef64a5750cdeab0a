import { graphql, type ResultOf } from "../graphql/tada.js";

export const ACTIVITY = graphql(`
  query Activity($id: ID!, $first: Int!, $after: String, $filter: TransactionFilter) {
    wallet(id: $id) {
      id sequence
      transactions(first: $first, after: $after, filter: $filter) {
        edges {
          cursor
          node {
            id type status description failureCode createdAt
            amount { amount currency }
            sender { walletId displayName wallet { id owner { id } } }
            receiver { walletId displayName wallet { id owner { id } } }
            fees { payer amount { amount currency } }
            conversion { sold { amount currency } bought { amount currency } }
            entries { id purpose amount { amount currency } wallet { id } }
          }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

/** What a transaction of the list cost, and what it exchanged. */
export const TRANSACTION_FEES = graphql(`
  query TransactionFees($id: ID!) {
    transaction(id: $id) {
      id
      fees { label payer explanation amount { amount currency } }
      conversion { rate { base quote rate } spread { amount currency } sold { amount currency } bought { amount currency } }
    }
  }
`);

type Connection = NonNullable<ResultOf<typeof ACTIVITY>["wallet"]>["transactions"];
export type ActivityTransaction = Connection["edges"][number]["node"];
