import { fromMinor, toMinor } from "../../money/decimal.js";
import { formatMoney, type Money } from "../../money/format.js";
import { parseAmount, type AmountInput } from "../../money/input.js";
import type { PublishInput } from "./queries.js";

/** What a schedule charges. */
export interface Terms {
  readonly currency: string;
  readonly percent?: string | null;
  readonly flat?: Money | null;
  readonly minimum?: Money | null;
  readonly maximum?: Money | null;
}

const PERCENT_DECIMALS = 6;

/** The fee for an amount, as the service computes it with HALF_EVEN: rounded once, then kept between minimum and maximum. */
export function feeOn(amount: Money, { percent, flat, minimum, maximum }: Terms, exponent: number): Money {
  const minor = (money: Money | null | undefined): bigint | null => (money == null ? null : toMinor(money.amount, exponent));
  if (percent == null && flat == null) {
    return { amount: fromMinor(0n, exponent), currency: amount.currency };
  }
  const product = toMinor(amount.amount, exponent) * toMinor(percent ?? "0", PERCENT_DECIMALS);
  const [least, most] = [minor(minimum) ?? 0n, minor(maximum)];
  const computed = halfEven(product, 100n * 10n ** BigInt(PERCENT_DECIMALS)) + (minor(flat) ?? 0n);
  const raised = computed < least ? least : computed;
  return { amount: fromMinor(most !== null && raised > most ? most : raised, exponent), currency: amount.currency };
}

function halfEven(product: bigint, divisor: bigint): bigint {
  const [whole, twice] = [product / divisor, (product % divisor) * 2n];
  return twice > divisor || (twice === divisor && whole % 2n === 1n) ? whole + 1n : whole;
}

/** A hundred units of a currency: the example of what a schedule charges. */
export function hundred(currency: string, exponent: number): Money {
  return { amount: fromMinor(100n * 10n ** BigInt(exponent), exponent), currency };
}

/** Such as "2.9 % + $0.30, at least $0.50". */
export function termsText({ percent, flat, minimum, maximum }: Terms, exponent: number): string {
  const parts = [percent == null ? [] : [percentText(percent)], flat == null ? [] : [formatMoney(flat, exponent)]].flat();
  const limits = [minimum == null ? [] : [`at least ${formatMoney(minimum, exponent)}`], maximum == null ? [] : [`at most ${formatMoney(maximum, exponent)}`]].flat();
  return parts.length === 0 ? "No fee" : [parts.join(" + "), ...limits].join(", ");
}

function percentText(percent: string): string {
  // Intl reads a decimal string exactly.
  return new Intl.NumberFormat(navigator.language, { style: "percent", maximumFractionDigits: PERCENT_DECIMALS }).format(`${percent}e-2` as Intl.StringNumericLiteral);
}

/** The values of the form, as they were typed. */
export interface TypedTerms {
  readonly name: string;
  readonly currency: string;
  readonly payer: "SENDER" | "RECEIVER";
  readonly percent: string;
  readonly flat: string;
  readonly minimum: string;
  readonly maximum: string;
  /** Of a datetime-local field, in the reader's time zone. Empty: at once. */
  readonly validFrom: string;
  readonly reason: string;
}

export const EMPTY_TERMS: TypedTerms = { name: "", currency: "USD", payer: "SENDER", percent: "", flat: "", minimum: "", maximum: "", validFrom: "", reason: "" };

export type Field = keyof TypedTerms;
export type Problems = Partial<Record<Field, string>>;

/** The input without a key, or what is wrong with the fields. */
export function readTerms(typed: TypedTerms, exponent: number, now = Date.now()): Omit<PublishInput, "idempotencyKey"> | { readonly problems: Problems } {
  const { name, currency, payer, validFrom, reason } = typed;
  const percent = percentOf(typed.percent, currency);
  const [flat, minimum, maximum] = [typed.flat, typed.minimum, typed.maximum].map((text) => (text.trim() === "" ? null : parseAmount(text, { currency, exponent })));
  const isFree = percent === null && flat === null;
  const money = (parsed: AmountInput | null | undefined): Money | null => (parsed?.ok === true ? { amount: parsed.amount, currency } : null);
  const [least, most] = [money(minimum), money(maximum)];
  const found: Problems = {
    ...(name.trim() === "" && { name: "Give the schedule a name." }),
    ...(percent === false && { percent: "Write a percentage of up to 100 with at most 6 decimals, or leave it empty." }),
    ...(flat?.ok === false && { flat: wrongAmount(currency) }),
    ...(minimum?.ok === false && { minimum: wrongAmount(currency) }),
    ...(maximum?.ok === false && { maximum: wrongAmount(currency) }),
    ...(isFree && (minimum != null || maximum != null) && { percent: "A minimum or a maximum needs a percentage or a flat amount." }),
    ...(least !== null && most !== null && toMinor(least.amount, exponent) > toMinor(most.amount, exponent) && { maximum: "The minimum is more than the maximum." }),
    ...(validFrom !== "" && !(new Date(validFrom).getTime() > now) && { validFrom: "Choose a time in the future, or leave it empty for now." }),
    ...(reason.trim() === "" && { reason: "Say why: the reason is kept." }),
  };
  if (Object.keys(found).length > 0) {
    return { problems: found };
  }
  return {
    name: name.trim(),
    transactionType: "TRANSFER",
    currency,
    payer,
    percent: percent === false ? null : percent,
    flat: money(flat),
    minimum: least,
    maximum: most,
    rounding: "HALF_EVEN",
    validFrom: validFrom === "" ? null : new Date(validFrom).toISOString(),
    reason: reason.trim(),
  };
}

/** Null if it is empty, and false if it is not a percentage. */
function percentOf(text: string, currency: string): string | false | null {
  const bare = text.replaceAll(/[%٪\s]/g, "");
  if (bare === "") {
    return null;
  }
  const parsed = parseAmount(bare, { currency, exponent: PERCENT_DECIMALS });
  if (!parsed.ok || toMinor(parsed.amount, PERCENT_DECIMALS) > 100n * 10n ** BigInt(PERCENT_DECIMALS)) {
    return false;
  }
  return parsed.amount.replace(/\.?0+$/, "");
}

function wrongAmount(currency: string): string {
  return `Write an amount in ${currency} above zero, or leave it empty.`;
}
