import { fromMinor, toMinor } from "./decimal.js";
import { decimalSign, groupSign } from "./format.js";

export type AmountInput =
  | { readonly ok: true; readonly amount: string }
  | { readonly ok: false; readonly problem: "empty" | "no-number" | "other-currency" | "ambiguous" | "too-many-decimals" | "not-positive" | "too-large" };

/** What an amount is read for: its currency, the decimals of that currency, and the reader's locale. */
export interface AmountStyle {
  readonly currency: string;
  readonly exponent: number;
  readonly locale?: string;
}

/** The service keeps minor units in 64 bits. */
const LARGEST_MINOR = 2n ** 63n - 1n;
const MOST_CHARACTERS = 60;

/**
 * What somebody typed as an amount, as the decimal string that the service takes, with exactly the currency's decimals.
 * Every way of writing it is read that can mean only one amount. "1,234" can mean two: it is read as the locale writes numbers,
 * or refused where the locale does not use that sign. Pages show what was understood before anything is sent.
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

/** An example of a well-written amount, such as 0.00 or 0,000. */
export function amountPlaceholder(exponent: number, locale = navigator.language): string {
  return typedAmount(fromMinor(0n, exponent), locale);
}

/** An amount of the service as it may stand in a field: `parseAmount` reads the same amount from it. */
export function typedAmount(amount: string, locale = navigator.language): string {
  return amount.replace(".", decimalSign(locale));
}

/** Western digits, ASCII signs and no marks of direction, whatever keyboard it came from. */
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

/** Unicode keeps the ten digits of a script in one row, which starts at a code point that ends with 0 or 6 in base 16. */
function digitOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const low = code % 16;
  return String(/\p{Nd}/u.test(String.fromCodePoint(code - low)) ? low : low - 6);
}

/** The currency may stand before or after the number, as a symbol, a code or a word. */
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

/** Longest first, so that "US$" is not taken for "$". */
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

/** Which sign groups thousands and which one starts the decimals; null where it is no number. */
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
  // Alone before three digits, it could be either. ٫ is a decimal sign everywhere.
  if (signs === last && last !== "٫" && /^[1-9]\d{0,2}$/.test(before) && /^\d{3}$/.test(after)) {
    if (last === groupSign(locale)) {
      return grouped(bare);
    }
    return last === decimalSign(locale) ? { whole: before, fraction: after } : "ambiguous";
  }
  const whole = before === "" ? { whole: "0", fraction: "" } : grouped(before);
  return whole === null || !/^\d*$/.test(after) ? null : { whole: whole.whole, fraction: after };
}

/** Groups of three, or of two before the last three as in India, all parted by the same sign. */
function grouped(text: string): Parts | null {
  const isWhole = /^\d+$/.test(text) || /^\d{1,3}(?:([.,'٬ ])\d{3})(?:\1\d{3})*$/.test(text) || /^\d{1,2}(?:([,٬ ])\d{2})(?:\1\d{2})*\1\d{3}$/.test(text);
  return isWhole ? { whole: text.replaceAll(/\D/g, ""), fraction: "" } : null;
}
