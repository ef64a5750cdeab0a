import { graphql } from "../graphql/tada.js";
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
