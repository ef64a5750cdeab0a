import { graphql, type ResultOf } from "../graphql/tada.js";

export const TRANSACTION = graphql(`
  query Transaction($id: ID!) {
    transaction(id: $id) {
      id type status description reference metadata { key value } failureCode idempotencyKey createdAt completedAt
      amount { amount currency }
      sender { walletId displayName wallet { id name owner { id } } }
      receiver { walletId displayName wallet { id name owner { id } } }
      fees { label payer explanation amount { amount currency } reversed { amount currency } }
      reversed { amount currency }
      reversible { amount currency }
      conversion {
        sold { amount currency }
        bought { amount currency }
        spread { amount currency }
        residue { amount currency }
        rate { base quote rate spreadBasisPoints source validFrom }
      }
      reverses { id amount { amount currency } conversion { bought { amount currency } } }
      hold { id amount { amount currency } }
      reversals(first: 20) { edges { node { id status createdAt amount { amount currency } } } pageInfo { hasNextPage } }
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

export const REVERSE = graphql(`
  mutation ReverseTransaction($input: ReverseTransactionInput!) {
    reverseTransaction(input: $input) {
      replayed
      transaction { id status failureCode amount { amount currency } }
      userErrors { __typename code message path }
    }
  }
`);

export type ReversalPayload = NonNullable<ResultOf<typeof REVERSE>["reverseTransaction"]>;
export type LoadedTransaction = NonNullable<ResultOf<typeof TRANSACTION>["transaction"]>;
export type Entry = LoadedTransaction["entries"][number];
