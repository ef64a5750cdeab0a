import { decimalsOf, fromMinor, toMinor } from "./decimal.js";
import type { Money } from "./format.js";

/** What is held of a wallet. It can be spent by captures only. */
export function heldOf({ balance, available }: { readonly balance: Money; readonly available: Money }): Money {
  const decimals = decimalsOf(balance.amount);
  return { amount: fromMinor(toMinor(balance.amount, decimals) - toMinor(available.amount, decimals), decimals), currency: balance.currency };
}
