import { fromMinor, toMinor } from "./decimal.js";
import { decimalSign, groupSign } from "./format.js";

export type AmountInput =
  | { readonly ok: true; readonly amount: string }
  | { readonly ok: false; readonly problem: "empty" | "no-number" | "other-currency" | "ambiguous" | "too-many-decimals" | "not-positive" | "too-large" };

/** How to parse an amount: its currency, that currency's number of decimals, and the user's locale. */
export interface AmountStyle {
  readonly currency: string;
  readonly exponent: number;
  readonly locale?: string;
}

/** The service stores minor units in 64 bits. */
export const LARGEST_MINOR = 2n ** 63n - 1n;
const MOST_CHARACTERS = 60;

/**
 * Parses a typed amount. Returns the decimal string that the service accepts, with exactly the currency's decimals.
 * Accepts every form that can mean only one amount. "1,234" can mean two: it is read by the locale's rules, or refused
 * as ambiguous if the locale does not use that sign. Pages show the parsed amount before anything is sent.
 */
export function parseAmount(text: string, { currency, exponent, locale = navigator.language }: AmountStyle): AmountInput {
  const typed = simplified(text);
  if (typed === "") {
    return { ok: false, problem: "empty" };
  }
  const bare = withoutCurrency(typed, currency, locale);
  if (/[\p{L}\p{Sc}]/u.test(bare)) {
    return { ok: false, problem: /^(?:\p{Sc}|[a-z]{3}\b).*\d|\d *(?:\p{Sc}|[a-z]{3})$/u.test(bare) ? "other-currency" : "no-number" };
  }
  const parts = typed.length > MOST_CHARACTERS ? null : partsOf(bare, locale);
  if (parts === null || parts === "ambiguous") {
    return { ok: false, problem: parts ?? "no-number" };
  }
  if (parts.fraction.length > exponent) {
    return { ok: false, problem: "too-many-decimals" };
  }
  const minor = toMinor(parts.fraction === "" ? parts.whole : `${parts.whole}.${parts.fraction}`, exponent);
  if (minor === 0n) {
    return { ok: false, problem: "not-positive" };
  }
  return minor > LARGEST_MINOR ? { ok: false, problem: "too-large" } : { ok: true, amount: fromMinor(minor, exponent) };
}

/** An example of an amount in the locale's format, such as 0.00 or 0,000. */
export function amountPlaceholder(exponent: number, locale = navigator.language): string {
  return typedAmount(fromMinor(0n, exponent), locale);
}

/** The text of a service's amount for an input field. `parseAmount` returns the same amount for it. */
export function typedAmount(amount: string, locale = navigator.language): string {
  return amount.replace(".", decimalSign(locale));
}

/** Normalizes the text to ASCII digits and separators, without direction marks. */
function simplified(text: string): string {
  return text
    .normalize("NFKC")
    .replaceAll(/[\u200e\u200f\u061c]/g, "")
    .replaceAll(/\p{Nd}/gu, digitOf)
    .replaceAll(/[’_]/g, "'")
    .replaceAll("،", ",")
    .replaceAll(/\s+/g, " ")
    .trim()
    .toLowerCase();
}

/** The ten digits of a script have consecutive code points. The first one ends with 0 or 6 in base 16. */
function digitOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const low = code % 16;
  return String(/\p{Nd}/u.test(String.fromCodePoint(code - low)) ? low : low - 6);
}

/** Removes the currency before or after the number: a symbol, a code or a name. */
function withoutCurrency(typed: string, currency: string, locale: string): string {
  for (const name of namesOf(currency, locale)) {
    if (typed.startsWith(name)) {
      return typed.slice(name.length).trim();
    }
    if (typed.endsWith(name)) {
      return typed.slice(0, -name.length).trim();
    }
  }
  return typed;
}

/** Longest first, so that "US$" is matched before "$". */
function namesOf(currency: string, locale: string): string[] {
  const displays = [locale, "en-001"].flatMap((place) => (["code", "symbol", "narrowSymbol", "name"] as const).map((currencyDisplay) => ({ place, currencyDisplay })));
  const names = displays.map(({ place, currencyDisplay }) => {
    const parts = new Intl.NumberFormat(place, { style: "currency", currency, currencyDisplay }).formatToParts(5);
    return simplified(parts.find(({ type }) => type === "currency")?.value ?? currency);
  });
  return [...new Set(names)].sort((left, right) => right.length - left.length);
}

interface Parts {
  readonly whole: string;
  readonly fraction: string;
}

/** Splits a number into its whole part and its decimals. Null if it is not a number. */
function partsOf(bare: string, locale: string): Parts | "ambiguous" | null {
  if (!/^[\d.,'٬٫ ]*\d[\d.,'٬٫ ]*$/.test(bare)) {
    return null;
  }
  const signs = bare.replaceAll(/\d/g, "");
  const last = signs.at(-1) ?? "";
  const isOnce = signs.split(last).length === 2;
  if (last === "" || !isOnce || /[ '٬]/.test(last)) {
    return grouped(bare);
  }
  const [before = "", after = ""] = bare.split(last);
  // A single sign before three digits may be a group or a decimal sign. ٫ is always a decimal sign.
  if (signs === last && last !== "٫" && /^[1-9]\d{0,2}$/.test(before) && /^\d{3}$/.test(after)) {
    if (last === groupSign(locale)) {
      return grouped(bare);
    }
    return last === decimalSign(locale) ? { whole: before, fraction: after } : "ambiguous";
  }
  const whole = before === "" ? { whole: "0", fraction: "" } : grouped(before);
  return whole === null || !/^\d*$/.test(after) ? null : { whole: whole.whole, fraction: after };
}

/** Accepts groups of three digits, or of two before the last three as in India, all with the same separator. */
function grouped(text: string): Parts | null {
  const isWhole = /^\d+$/.test(text) || /^\d{1,3}(?:([.,'٬ ])\d{3})(?:\1\d{3})*$/.test(text) || /^\d{1,2}(?:([,٬ ])\d{2})(?:\1\d{2})*\1\d{3}$/.test(text);
  return isWhole ? { whole: text.replaceAll(/\D/g, ""), fraction: "" } : null;
}
