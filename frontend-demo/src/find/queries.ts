import { graphql, type ResultOf } from "../graphql/tada.js";

export const FOUND_WALLET = graphql(`
  fragment FoundWallet on Wallet {
    id name kind currency status
    balance { amount currency }
    owner { id displayName }
  }
`);

export const FOUND_TRANSACTION = graphql(`
  fragment FoundTransaction on Transaction {
    id type status reference description createdAt
    amount { amount currency }
    sender { walletId displayName }
    receiver { walletId displayName }
  }
`);

export const FIND_USERS = graphql(
  `
    query FindUsers($search: String, $after: String) {
      users(search: $search, first: 10, after: $after) {
        edges { node { id displayName wallets(first: 5) { edges { node { ...FoundWallet } } pageInfo { hasNextPage } } } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [FOUND_WALLET],
);

export const FIND_WALLETS = graphql(
  `
    query FindWallets($after: String) {
      wallets(first: 10, after: $after) {
        edges { node { ...FoundWallet } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [FOUND_WALLET],
);

export const FIND_TRANSACTIONS = graphql(
  `
    query FindTransactions($reference: String, $after: String) {
      transactions(first: 10, after: $after, filter: { reference: $reference }) {
        edges { node { ...FoundTransaction } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [FOUND_TRANSACTION],
);

export const FIND_WALLET = graphql(
  `
    query FindWallet($id: ID!) {
      wallet(id: $id) { ...FoundWallet }
    }
  `,
  [FOUND_WALLET],
);

/** The transaction with an id, or that of an entry. */
export const FIND_TRANSACTION = graphql(
  `
    query FindTransaction($id: ID!) {
      node(id: $id) {
        __typename
        id
        ... on Transaction { ...FoundTransaction }
        ... on LedgerEntry { transaction { ...FoundTransaction } }
      }
    }
  `,
  [FOUND_TRANSACTION],
);

export const FIND_USER = graphql(
  `
    query FindUser($id: ID!, $after: String) {
      node(id: $id) {
        __typename
        id
        ... on User {
          displayName
          wallets(first: 20, after: $after) {
            edges { node { ...FoundWallet } }
            pageInfo { hasNextPage endCursor }
          }
        }
      }
    }
  `,
  [FOUND_WALLET],
);

export const FIND_USERS_KEY = graphql(`
  query FindUsersKey($key: String!, $userId: ID!) {
    transactionByIdempotencyKey(idempotencyKey: $key, userId: $userId) { id }
  }
`);

export type FoundUser = NonNullable<ResultOf<typeof FIND_USERS>["users"]>["edges"][number]["node"];
export type FoundWallet = ResultOf<typeof FOUND_WALLET>;
export type FoundTransaction = ResultOf<typeof FOUND_TRANSACTION>;
