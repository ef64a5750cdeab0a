import { fromMinor } from "../../money/decimal.js";
import { formatMoney } from "../../money/format.js";

/** The vertical scale of a chart, in minor units. */
export interface Scale {
  readonly lower: bigint;
  readonly upper: bigint;
  /** Round amounts between the ends, lowest first. Zero is one of them if it is in the scale. */
  readonly ticks: readonly bigint[];
}

const MOST_TICKS = 5n;
/** The part of the height above and below the line: one in so many. */
const PADDING = 10n;
/** The scale spans at least this part of the largest balance, so that a small change does not look like a fall to nothing. */
const LEAST_SPAN = 10n;

/** Whether zero is on the scale. */
export function hasZero({ lower, upper }: Scale): boolean {
  return lower <= 0n && upper >= 0n;
}

/** The labels of a scale's ticks, without decimals if all are whole. */
export function tickLabels({ ticks }: Scale, currency: string, exponent: number, locale?: string): string[] {
  const unit = 10n ** BigInt(exponent);
  const decimals = ticks.every((tick) => tick % unit === 0n) ? 0 : exponent;
  return ticks.map((tick) => formatMoney({ amount: fromMinor(decimals === 0 ? tick / unit : tick, decimals), currency }, decimals, locale));
}

/** A scale that fits the balances. It does not go past zero if they do not. */
export function scaleOf(minors: readonly bigint[]): Scale {
  const lowest = minors.reduce((a, b) => (b < a ? b : a), minors[0] ?? 0n);
  const highest = minors.reduce((a, b) => (b > a ? b : a), minors[0] ?? 0n);
  const largest = abs(lowest) > abs(highest) ? abs(lowest) : abs(highest);
  const range = highest - lowest;
  const wanted = max(range + (2n * range) / PADDING, largest / LEAST_SPAN, MOST_TICKS);
  const below = (wanted - range) / 2n;
  const [lower, upper] = keptFromZero(lowest, highest, lowest - below, lowest - below + wanted);
  const step = roundStep(upper - lower);
  const start = floorTo(lower, step);
  const ticks: bigint[] = [];
  for (let tick = start < lower ? start + step : start; tick <= upper; tick += step) {
    ticks.push(tick);
  }
  return { lower, upper, ticks };
}

function keptFromZero(lowest: bigint, highest: bigint, lower: bigint, upper: bigint): [bigint, bigint] {
  if (lowest >= 0n && lower < 0n) {
    return [0n, upper - lower];
  }
  return highest <= 0n && upper > 0n ? [lower - upper, 0n] : [lower, upper];
}

/** The smallest of 1, 2, 5, 10, 20, 50 … that divides a span into at most MOST_TICKS parts. */
function roundStep(span: bigint): bigint {
  for (let power = 1n; ; power *= 10n) {
    const step = [1n, 2n, 5n].map((factor) => factor * power).find((candidate) => candidate * MOST_TICKS >= span);
    if (step !== undefined) {
      return step;
    }
  }
}

function floorTo(value: bigint, step: bigint): bigint {
  const rest = value % step;
  return value - rest - (rest < 0n ? step : 0n);
}

const abs = (value: bigint): bigint => (value < 0n ? -value : value);
const max = (...values: readonly bigint[]): bigint => values.reduce((a, b) => (b > a ? b : a));
