import { graphql, type ResultOf, type VariablesOf } from "../graphql/tada.js";

export const TRANSFER = graphql(`
  mutation Transfer($input: TransferInput!) {
    transfer(input: $input) {
      replayed
      transaction {
        id status failureCode createdAt completedAt
        amount { amount currency }
        receiver { walletId displayName currency }
        conversion { bought { amount currency } }
        fees { label payer explanation amount { amount currency } }
      }
      userErrors {
        __typename code message path
        ... on InsufficientFunds { available { amount currency } required { amount currency } }
        ... on IdempotencyKeyReused { transaction { id } }
        ... on FeeExceedsLimit { fee { amount currency } limit { amount currency } }
      }
    }
  }
`);

/** What a transfer would do now. It counts as one of the user's transfers for their rate limit. */
export const PREVIEW_TRANSFER = graphql(`
  query PreviewTransfer($input: TransferInput!) {
    previewTransfer(input: $input) {
      debited { amount currency }
      credited { amount currency }
      fees { label payer explanation amount { amount currency } }
      userErrors {
        __typename code
        ... on InsufficientFunds { required { amount currency } }
        ... on FeeExceedsAmount { fee { amount currency } }
      }
    }
  }
`);

export const WALLET_PARTY = graphql(`
  query WalletParty($walletId: ID!) {
    walletParty(walletId: $walletId) { walletId displayName currency }
  }
`);

export const WITH_PARTIES = graphql(`
  fragment WithParties on TransactionConnection {
    edges { node { id sender { walletId displayName currency } receiver { walletId displayName currency } } }
  }
`);

/** The parties of the newest transfers, and of the last ones before some times: many payments to one recipient hide the others. */
export const COUNTERPARTIES = graphql(
  `
    query Counterparties($walletId: ID!, $hour: DateTime!, $day: DateTime!, $week: DateTime!, $month: DateTime!) {
      wallet(id: $walletId) {
        id
        newest: transactions(first: 50, filter: { type: TRANSFER, status: COMPLETED }) { ...WithParties }
        hour: transactions(first: 20, filter: { type: TRANSFER, status: COMPLETED, createdTo: $hour }) { ...WithParties }
        day: transactions(first: 20, filter: { type: TRANSFER, status: COMPLETED, createdTo: $day }) { ...WithParties }
        week: transactions(first: 20, filter: { type: TRANSFER, status: COMPLETED, createdTo: $week }) { ...WithParties }
        month: transactions(first: 20, filter: { type: TRANSFER, status: COMPLETED, createdTo: $month }) { ...WithParties }
      }
    }
  `,
  [WITH_PARTIES],
);

export type TransferInput = VariablesOf<typeof TRANSFER>["input"];
export type TransferPayload = NonNullable<ResultOf<typeof TRANSFER>["transfer"]>;
export type TransferPreview = NonNullable<ResultOf<typeof PREVIEW_TRANSFER>["previewTransfer"]>;
export type SentTransaction = NonNullable<TransferPayload["transaction"]>;
export type Refusal = TransferPayload["userErrors"][number];
export type Party = NonNullable<ResultOf<typeof WALLET_PARTY>["walletParty"]>;
export type Counterparties = ResultOf<typeof COUNTERPARTIES>["wallet"];
