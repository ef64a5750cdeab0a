import { decimalsOf, fromMinor, toMinor } from "../../money/decimal.js";
import type { Money } from "../../money/format.js";

export interface Exchanged {
  /** What was sold, and what of it has gone back. */
  readonly sold: Money;
  readonly reversed: Money;
  readonly bought: Money;
}

/**
 * What of the bought amount goes back with a part of the sold one, as the service computes it: in proportion, rounded up over all
 * parts together.
 */
export function boughtBack({ sold, reversed, bought }: Exchanged, part: Money): Money {
  const [soldDecimals, boughtDecimals] = [decimalsOf(sold.amount), decimalsOf(bought.amount)];
  const [total, before, now] = [sold, reversed, part].map(({ amount }) => toMinor(amount, soldDecimals)) as [bigint, bigint, bigint];
  const whole = toMinor(bought.amount, boughtDecimals);
  const upTo = (given: bigint): bigint => (whole * given + total - 1n) / total;
  return { amount: fromMinor(upTo(before + now) - upTo(before), boughtDecimals), currency: bought.currency };
}
