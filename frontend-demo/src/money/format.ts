import { decimalsOf, toMinor } from "./decimal.js";

export interface Money {
  readonly amount: string;
  readonly currency: string;
}

interface Style {
  readonly currency: Intl.NumberFormat;
  readonly whole: Intl.NumberFormat;
  readonly digits: readonly string[];
  readonly point: string;
}

const styles = new Map<string, Style>();

/** What Intl knows of a currency in a locale: the symbol and its place, groups, digits and the decimal sign. */
function styleOf(locale: string, currency: string): Style {
  const key = `${locale} ${currency}`;
  const known = styles.get(key);
  if (known !== undefined) {
    return known;
  }
  const plain = new Intl.NumberFormat(locale, { useGrouping: false });
  const style = {
    currency: new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: 0, maximumFractionDigits: 0 }),
    whole: new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }),
    digits: Array.from({ length: 10 }, (_, digit) => plain.format(digit)),
    point: decimalSign(locale),
  };
  styles.set(key, style);
  return style;
}

export function decimalSign(locale: string): string {
  return new Intl.NumberFormat(locale).formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";
}

/** What stands between thousands, such as "," or "."; what else may stand there, as a space, is never a decimal sign. */
export function groupSign(locale: string): string {
  return new Intl.NumberFormat(locale).formatToParts(1_234_567).find(({ type }) => type === "group")?.value ?? "";
}

/** One minus sign for every amount: locales of one page differ between this one and a hyphen. */
const MINUS = "−";

/**
 * An exact amount for people. Its decimals are those of `exponent` (`Currency.exponent`), and its digits come from the string;
 * Intl gives only what stands around them, and the groups of the whole part, which it is handed as a BigInt.
 */
export function formatMoney(money: Money, exponent = decimalsOf(money.amount), locale = navigator.language): string {
  const style = styleOf(locale, money.currency);
  const minor = toMinor(money.amount, exponent);
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, "0");
  const whole = style.whole.format(BigInt(digits.slice(0, digits.length - exponent)));
  const fraction = Array.from(exponent === 0 ? "" : digits.slice(-exponent), (digit) => style.digits[Number(digit)]);
  const number = exponent === 0 ? whole : `${whole}${style.point}${fraction.join("")}`;
  return style.currency
    .formatToParts(minor < 0n ? -1 : 1)
    .map(({ type, value }) => (type === "integer" ? number : type === "minusSign" ? value.replace("-", MINUS) : value))
    .join("");
}

/** The same with a sign on both sides of zero, as for money that came or went. */
export function formatChange(money: Money, direction: "DEBIT" | "CREDIT", exponent?: number, locale?: string): string {
  return `${direction === "DEBIT" ? MINUS : "+"}${formatMoney(money, exponent, locale)}`;
}
