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

/** A currency's format in a locale, from Intl: symbol and its place, grouping, digits and decimal sign. */
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

/** The locale's sign between thousands, such as "," or ".". Other group signs, such as a space, are never decimal signs. */
export function groupSign(locale: string): string {
  return new Intl.NumberFormat(locale).formatToParts(1_234_567).find(({ type }) => type === "group")?.value ?? "";
}

/** The minus sign of every amount. Some locales would use a hyphen. */
const MINUS = "−";

/**
 * An exact amount as text. It has `exponent` decimals (`Currency.exponent`), and its digits come from the string. Intl
 * supplies only the text around them and the grouping of the whole part, which it gets as a BigInt.
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

/** The amount with a sign: + for CREDIT, − for DEBIT. */
export function formatChange(money: Money, direction: "DEBIT" | "CREDIT", exponent?: number, locale?: string): string {
  return `${direction === "DEBIT" ? MINUS : "+"}${formatMoney(money, exponent, locale)}`;
}
