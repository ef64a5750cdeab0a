import { fromMinor, toMinor } from "../../money/decimal.js";
import { parseAmount } from "../../money/input.js";
import type { RateInput } from "./queries.js";

/** The form as it was typed. */
export interface TypedRate {
  readonly base: string;
  readonly quote: string;
  readonly rate: string;
  /** In percent. */
  readonly spread: string;
  readonly source: string;
  readonly reason: string;
}

export type Field = "rate" | "spread" | "source" | "reason" | "quote";
export type Problems = Readonly<Partial<Record<Field, string>>>;

export const EMPTY_RATE: TypedRate = { base: "USD", quote: "EUR", rate: "", spread: "0.5", source: "Set by hand", reason: "" };

const RATE_DECIMALS = 15;
/** A basis point is a hundredth of a percent. */
const PERCENT_DECIMALS = 2;
const MOST_BASIS_POINTS = 5_000n;

/** The input of the mutation, or what is wrong with the form. */
export function readRate({ base, quote, rate, spread, source, reason }: TypedRate): { readonly input: RateInput } | { readonly problems: Problems } {
  // A rate is no amount, but is written like one.
  const parsed = parseAmount(rate, { currency: quote, exponent: RATE_DECIMALS });
  const points = basisPointsOf(spread);
  const problems: Problems = {
    ...(base === quote ? { quote: "A rate is between two currencies." } : {}),
    ...(parsed.ok ? {} : { rate: `Write a rate above zero with at most ${RATE_DECIMALS} decimals, such as 0.92.` }),
    ...(points === null ? { spread: "Write 0 to 50 percent, with at most 2 decimals." } : {}),
    ...(source.trim() === "" ? { source: "Say where the rate comes from." } : {}),
    ...(reason.trim() === "" ? { reason: "Give a reason for the audit log." } : {}),
  };
  if (Object.keys(problems).length > 0 || !parsed.ok || points === null) {
    return { problems };
  }
  return { input: { base, quote, rate: plain(parsed.amount), spreadBasisPoints: Number(points), source: source.trim(), reason: reason.trim() } };
}

function basisPointsOf(spread: string): bigint | null {
  if (/^\s*0*([.,]0*)?\s*$/.test(spread)) {
    return spread.trim() === "" ? null : 0n;
  }
  const parsed = parseAmount(spread, { currency: "XXX", exponent: PERCENT_DECIMALS });
  const points = parsed.ok ? toMinor(parsed.amount, PERCENT_DECIMALS) : null;
  return points !== null && points <= MOST_BASIS_POINTS ? points : null;
}

/** Without the zeros at its end. */
function plain(decimal: string): string {
  return decimal.replace(/\.?0+$/, "");
}

/** Such as "0.5%". */
export function spreadText(basisPoints: number, locale = navigator.language): string {
  const percent = fromMinor(BigInt(basisPoints), 2);
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 2 }).format(`${percent}e-2` as `${number}`);
}
