import { graphql } from "../graphql/tada.js";
import { HOLD_FIELDS } from "../holds/queries.js";
import { WALLET_FIELDS } from "../wallets/queries.js";

export const DEPOSIT = graphql(`
  mutation Deposit($input: DepositInput!) {
    deposit(input: $input) {
      transaction { id status }
      replayed
      userErrors { code message }
    }
  }
`);

export const FOLLOWED_WALLET = graphql(
  `
    query FollowedWallet($id: ID!) {
      wallet(id: $id) { ...WalletFields }
    }
  `,
  [WALLET_FIELDS],
);

export const RACED_HOLDS = graphql(
  `
    query RacedHolds($ids: [ID!]!) {
      nodes(ids: $ids) { __typename ... on Hold { ...HoldFields } }
    }
  `,
  [HOLD_FIELDS],
);
