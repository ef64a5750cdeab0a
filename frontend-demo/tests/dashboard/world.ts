import type { Arrival } from "../../src/live/feed.js";

/** A live entry with this sequence number. Its transaction is txn_N. */
export function arrival(sequence: number, isCaughtUp = false, direction: "DEBIT" | "CREDIT" = "CREDIT"): Arrival {
  const money = { amount: "1.00", currency: "USD" };
  return {
    arrivedAt: sequence,
    isCaughtUp,
    entry: {
      id: `ent_${sequence}`,
      sequence: String(sequence),
      direction,
      amount: money,
      balanceAfter: money,
      createdAt: "2026-11-23T12:00:00.000000Z",
      transaction: {
        id: `txn_${sequence}`,
        type: "TRANSFER",
        description: null,
        sender: { walletId: "wal_alice", displayName: "Alice" },
        receiver: { walletId: "wal_bob", displayName: "Bob" },
      },
    },
  };
}
