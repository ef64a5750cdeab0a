import { fromMinor, toMinor } from "./decimal.js";
import { decimalSign } from "./format.js";

export type AmountInput =
  | { readonly ok: true; readonly amount: string }
  | { readonly ok: false; readonly problem: "empty" | "no-number" | "too-many-decimals" | "not-positive" | "too-large" };

/** The service keeps minor units in 64 bits. */
const LARGEST_MINOR = 2n ** 63n - 1n;

/**
 * What somebody typed as an amount, as the decimal string that the service takes, with exactly the currency's decimals.
 * Thousands separators are refused: "1.000" is a thousand to some and one to others.
 */
export function parseAmount(text: string, exponent: number, locale = navigator.language): AmountInput {
  const typed = text.trim();
  if (typed === "") {
    return { ok: false, problem: "empty" };
  }
  const plain = typed.replace(decimalSign(locale), ".");
  const match = /^(\d{1,30})(?:\.(\d*))?$/.exec(plain);
  // A point where the locale writes a comma would be its thousands separator.
  if (match === null || (typed.includes(".") && decimalSign(locale) !== ".")) {
    return { ok: false, problem: "no-number" };
  }
  const [, whole = "", fraction = ""] = match;
  if (fraction.length > exponent) {
    return { ok: false, problem: "too-many-decimals" };
  }
  const minor = toMinor(fraction === "" ? whole : `${whole}.${fraction}`, exponent);
  if (minor === 0n) {
    return { ok: false, problem: "not-positive" };
  }
  return minor > LARGEST_MINOR ? { ok: false, problem: "too-large" } : { ok: true, amount: fromMinor(minor, exponent) };
}

/** An example of a well-written amount, such as 0.00 or 0,000. */
export function amountPlaceholder(exponent: number, locale = navigator.language): string {
  return fromMinor(0n, exponent).replace(".", decimalSign(locale));
}
