import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import type { Money } from "../money/format.js";

interface Rate {
  readonly base: string;
  readonly quote: string;
  readonly rate: string;
}

const MOST_DIGITS = 8;

/** Such as "1 USD = 0.92 EUR". A rate that follows from others has 18 digits, of which the first are shown. */
export function rateText({ base, quote, rate }: Rate, locale = navigator.language): string {
  const digits = rate.replace(/^0*\.?0*/, "").replace(".", "").length;
  // Intl reads the exact decimal of a string.
  const shown = new Intl.NumberFormat(locale, { maximumSignificantDigits: MOST_DIGITS, useGrouping: true }).format(rate as `${number}`);
  return `1 ${base} ${digits > MOST_DIGITS ? "≈" : "="} ${shown} ${quote}`;
}

/** Of amounts in one currency. */
export function less(whole: Money, part: Money): Money {
  const decimals = decimalsOf(whole.amount);
  return { amount: fromMinor(toMinor(whole.amount, decimals) - toMinor(part.amount, decimals), decimals), currency: whole.currency };
}

export function plus(one: Money, other: Money): Money {
  const decimals = decimalsOf(one.amount);
  return { amount: fromMinor(toMinor(one.amount, decimals) + toMinor(other.amount, decimals), decimals), currency: one.currency };
}
