import { decimalsOf, sum } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import type { LoadedTransaction } from "./queries.js";

/** One wallet's side of a transaction, as an account of a ledger. */
export interface TAccount {
  readonly walletId: string;
  readonly name: string;
  readonly direction: "DEBIT" | "CREDIT";
  readonly amount: Money;
  /** The balances before and after. Null if the viewer may not see the wallet. */
  readonly balances: { readonly before: Money; readonly after: Money } | null;
}

/**
 * The accounts of a completed transaction. The viewer's accounts come from their entries. The viewer may not see the other
 * side's entries, so that side comes from the transaction's sender and receiver.
 */
export function accountsOf(transaction: LoadedTransaction): TAccount[] {
  const { entries, sender, receiver, amount } = transaction;
  const seen = entries.map((entry) => ({
    walletId: entry.wallet.id,
    name: entry.wallet.owner === null ? entry.wallet.name : `${entry.wallet.owner.displayName}: ${entry.wallet.name}`,
    direction: entry.direction,
    amount: entry.amount,
    balances: { before: entry.balanceBefore, after: entry.balanceAfter },
  }));
  const has = (walletId: string): boolean => entries.some(({ wallet }) => wallet.id === walletId);
  const hidden = [
    { party: sender, direction: "DEBIT" as const },
    { party: receiver, direction: "CREDIT" as const },
  ].flatMap(({ party, direction }) =>
    party === null || has(party.walletId) ? [] : [{ walletId: party.walletId, name: party.displayName, direction, amount, balances: null }],
  );
  return [...seen, ...hidden].sort((a, b) => Number(a.direction === "CREDIT") - Number(b.direction === "CREDIT"));
}

/** Credits less debits. Zero for a valid double entry. */
export function balanceOf(accounts: readonly TAccount[]): string {
  const exponent = Math.max(0, ...accounts.map(({ amount }) => decimalsOf(amount.amount)));
  return sum(accounts.map(({ direction, amount }) => (direction === "DEBIT" ? `-${amount.amount}` : amount.amount)), exponent);
}
