import { graphql, type ResultOf } from "../graphql/tada.js";

/** What is behind an id, whatever it is; null for what the viewer may not see. */
export const FIND_BY_ID = graphql(`
  query FindById($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on LedgerEntry { transaction { id } }
      ... on Statement { wallet { id } }
      ... on FxQuote { usedBy: transaction { id } }
    }
  }
`);

export const FIND_BY_KEY = graphql(`
  query FindByKey($key: String!) {
    transactionByIdempotencyKey(idempotencyKey: $key) { id }
  }
`);

/** The pages that were opened, and whom the viewer's payments went to or came from. */
export const RECENT = graphql(`
  query Recent($opened: [ID!]!) {
    nodes(ids: $opened) {
      __typename
      id
      ... on Wallet { name currency owner { id displayName } }
      ... on Transaction { amount { amount currency } sender { displayName } receiver { displayName } }
    }
    viewer {
      id
      wallets(first: 20) {
        edges {
          node {
            id
            currency
            transactions(first: 10, filter: { type: TRANSFER, status: COMPLETED }) {
              edges {
                node {
                  id createdAt
                  sender { walletId displayName currency }
                  receiver { walletId displayName currency }
                }
              }
            }
          }
        }
      }
    }
  }
`);

export type RecentAnswer = ResultOf<typeof RECENT>;
export type Opened = Extract<NonNullable<RecentAnswer["nodes"][number]>, { readonly __typename: "Wallet" | "Transaction" }>;
