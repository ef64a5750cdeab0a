import { graphql, type ResultOf, type VariablesOf } from "../graphql/tada.js";

export const TRANSFER = graphql(`
  mutation Transfer($input: TransferInput!) {
    transfer(input: $input) {
      replayed
      transaction {
        id status failureCode createdAt completedAt
        amount { amount currency }
        receiver { walletId displayName }
      }
      userErrors {
        __typename code message path
        ... on InsufficientFunds { available { amount currency } required { amount currency } }
        ... on IdempotencyKeyReused { transaction { id } }
      }
    }
  }
`);

export const WALLET_PARTY = graphql(`
  query WalletParty($walletId: ID!) {
    walletParty(walletId: $walletId) { walletId displayName currency }
  }
`);

export const COUNTERPARTIES = graphql(`
  query Counterparties($walletId: ID!) {
    wallet(id: $walletId) {
      id
      transactions(first: 100, filter: { type: TRANSFER, status: COMPLETED }) {
        edges { node { id sender { walletId displayName currency } receiver { walletId displayName currency } } }
      }
    }
  }
`);

export type TransferInput = VariablesOf<typeof TRANSFER>["input"];
export type TransferPayload = NonNullable<ResultOf<typeof TRANSFER>["transfer"]>;
export type SentTransaction = NonNullable<TransferPayload["transaction"]>;
export type Refusal = TransferPayload["userErrors"][number];
export type Party = NonNullable<ResultOf<typeof WALLET_PARTY>["walletParty"]>;
