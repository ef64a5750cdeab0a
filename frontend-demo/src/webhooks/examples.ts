export interface Example {
  readonly name: string;
  readonly document: string;
  /** A JSON object as text. `wallet` is one of the user's. */
  readonly variables: (wallet: string | null) => string;
}

/**
 * Documents to begin with. They are run by the service as they are stored, so the page sends none of them itself, and they are no operations
 * of the page.
 */
export const EXAMPLES: readonly Example[] = [
  {
    name: "Each entry of a wallet",
    document: `subscription ($wallet: ID!) {
  walletUpdated(walletId: $wallet) {
    cursor
    entry {
      sequence direction
      amount { amount currency }
      balanceAfter { amount currency }
      transaction { id type description }
    }
  }
}`,
    variables: (wallet) => JSON.stringify({ wallet: wallet ?? "wal_…" }),
  },
  {
    name: "Each transaction of mine that settles",
    document: `subscription {
  transactionSettled {
    transaction { id type status createdAt amount { amount currency } }
  }
}`,
    variables: () => "",
  },
  {
    name: "What happens to a hold",
    document: `subscription ($hold: ID!) {
  holdUpdated(holdId: $hold) {
    id status
    remaining { amount currency }
    captured { amount currency }
  }
}`,
    variables: () => JSON.stringify({ hold: "hld_…" }),
  },
];
