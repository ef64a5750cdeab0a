import { graphql, type ResultOf } from "../graphql/tada.js";

export const LEDGER_STATUS = graphql(`
  query LedgerStatus {
    ledgerStatus {
      transfersPerSecond outboxPending outboxLagSeconds
      totals {
        currency
        userBalances { amount currency }
        systemBalances { amount currency }
        difference { amount currency }
      }
      trialBalance { accountType currency debit { amount currency } credit { amount currency } }
      fx {
        baseCurrency
        positions {
          currency
          position { amount currency }
          limit { amount currency }
          value { amount currency }
          spreadEarned { amount currency }
          residue { amount currency }
        }
        unrealised { amount currency }
      }
      hotWallets { id name kind status balance { amount currency } owner { displayName } }
    }
  }
`);

export const SET_WALLET_STATUS = graphql(`
  mutation SetWalletStatus($input: SetWalletStatusInput!) {
    setWalletStatus(input: $input) {
      wallet { id status }
      userErrors { code message }
    }
  }
`);

export const WALLET_STATUS = graphql(`
  query WalletStatus($id: ID!) {
    wallet(id: $id) { id name kind status balance { amount currency } owner { displayName } }
  }
`);

export type LedgerStatus = NonNullable<ResultOf<typeof LEDGER_STATUS>["ledgerStatus"]>;
export type HotWallet = LedgerStatus["hotWallets"][number];
