import { graphql, type ResultOf } from "../graphql/tada.js";

export const WALLET_FIELDS = graphql(`
  fragment WalletFields on Wallet {
    id kind name currency status sequence updatesCursor
    balance { amount currency }
    available { amount currency }
  }
`);

/** The newest entries, for a chart of the balance. */
export const BALANCE_POINTS = graphql(`
  fragment BalancePoints on LedgerEntryConnection {
    edges { node { id sequence createdAt balanceAfter { amount currency } } }
  }
`);

/** Newest first, as every list of the API; pages show them in the order they were opened. */
export const VIEWER_WALLETS = graphql(
  `
    query ViewerWallets($after: String) {
      viewer {
        id displayName
        wallets(first: 50, after: $after) {
          edges { node { ...WalletFields } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  `,
  [WALLET_FIELDS],
);

/** The newest entries of each wallet. Only one page draws them, so no other one asks for them. */
export const VIEWER_CHARTS = graphql(
  `
    query ViewerCharts($after: String) {
      viewer {
        id
        wallets(first: 50, after: $after) {
          edges { node { id entries(first: 40) { ...BalancePoints } } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  `,
  [BALANCE_POINTS],
);

export const ALL_WALLETS = graphql(
  `
    query AllWallets($after: String) {
      wallets(first: 30, after: $after) {
        edges { node { ...WalletFields owner { id displayName } } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [WALLET_FIELDS],
);

export const WALLET = graphql(
  `
    query Wallet($id: ID!) {
      wallet(id: $id) {
        ...WalletFields
        createdAt
        owner { id displayName }
        entries(first: 100) { ...BalancePoints }
        oldest: entries(last: 1) { edges { node { id createdAt } } }
      }
    }
  `,
  [WALLET_FIELDS, BALANCE_POINTS],
);

export const OPEN_WALLET = graphql(
  `
    mutation OpenWallet($input: OpenWalletInput!) {
      openWallet(input: $input) {
        wallet { ...WalletFields }
        replayed
        userErrors { code message path }
      }
    }
  `,
  [WALLET_FIELDS],
);

/** What every page shows of a wallet. */
export type WalletSummary = ResultOf<typeof WALLET_FIELDS>;
export type BalancePoint = ResultOf<typeof BALANCE_POINTS>["edges"][number]["node"];
