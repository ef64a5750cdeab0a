import { describe, expect, it } from "vitest";
import { timeLabels } from "../../src/wallets/chart/axis.js";
import { stepsOfPeriods, type BalancePeriod } from "../../src/wallets/chart/balances.js";
import { completeSince, joined, nextStop, rowsOf, stepAt, stepsOf, within, type Step } from "../../src/wallets/chart/history.js";
import { isYounger, periodOf, startOf } from "../../src/wallets/chart/ranges.js";
import { hasZero, scaleOf, tickLabels } from "../../src/wallets/chart/scale.js";
import type { Point } from "../../src/wallets/points.js";

const SECOND = 1_000;
const NOON = Date.parse("2026-11-23T12:00:00Z");

function point(sequence: number, amount: string, seconds = sequence): Point {
  return { sequence: String(sequence), createdAt: new Date(NOON + seconds * SECOND).toISOString(), balanceAfter: { amount, currency: "USD" } };
}

const line = (...steps: readonly (readonly [time: number, minor: bigint])[]): Step[] =>
  steps.map(([time, minor], index) => ({ sequence: BigInt(index + 1), time, minor }));
const sequences = (steps: readonly Step[]): number[] => steps.map(({ sequence }) => Number(sequence));

describe("the steps of a balance", () => {
  it("are each entry once, oldest first, whatever order the lists have", () => {
    const steps = stepsOf([[point(12, "2.00"), point(9, "1.00")], [point(12, "2.00"), point(10, "3.00")]], 2);
    expect(sequences(steps)).toEqual([9, 10, 12]);
    expect(steps.map(({ minor }) => minor)).toEqual([100n, 300n, 200n]);
  });

  it("stay exact beyond what a Number can hold", () => {
    expect(stepsOf([[point(1, "90071992547409930.01")]], 2)[0]?.minor).toBe(9_007_199_254_740_993_001n);
  });

  it("never go back in time", () => {
    const times = stepsOf([[point(1, "1.00", 5), point(2, "2.00", 4)]], 2).map(({ time }) => time);
    expect(times).toEqual([NOON + 5 * SECOND, NOON + 5 * SECOND]);
  });

  it("are complete since the entry after the last missing one", () => {
    expect(completeSince(stepsOf([[1, 2, 5, 6, 7].map((sequence) => point(sequence, "1.00"))], 2))?.sequence).toBe(5n);
    expect(completeSince(stepsOf([[point(1, "1.00")]], 2))?.sequence).toBe(1n);
    expect(completeSince([])).toBeUndefined();
  });

  it.each([
    [9, undefined],
    [10, 1n],
    [19, 1n],
    [20, 3n],
    [99, 3n],
  ])("the balance at %s is that of the last step before or at it", (time, minor) => {
    expect(stepAt(line([10, 1n], [20, 2n], [20, 3n]), time)?.minor).toBe(minor);
  });
});

describe("the line of a range", () => {
  const steps = line([10, 1n], [20, 2n], [30, 3n]);

  it("begins with the balance at its start and reaches its end", () => {
    expect(within(steps, 15, 40).map(({ time, minor }) => [time, minor])).toEqual([[15, 1n], [20, 2n], [30, 3n], [40, 3n]]);
  });

  it("begins with the first known balance if none is known at its start", () => {
    expect(within(steps, 5, 25).map(({ time }) => time)).toEqual([10, 20, 25]);
  });

  it("is flat if nothing changed in it", () => {
    expect(within(steps, 50, 60).map(({ time, minor }) => [time, minor])).toEqual([[50, 3n], [60, 3n]]);
  });

  it("is empty before the first balance", () => {
    expect(within(steps, 1, 5)).toEqual([]);
  });

  it.each([
    [30, -1, 1, 20],
    [30, -1, 15, 15],
    [15, -1, 1, 15],
    [15, 1, 1, 20],
    [21, 1, 1, 30],
    [40, 1, 1, 40],
  ] as const)("the arrow key goes from %s in direction %s, at least %s, to %s", (from, direction, distance, to) => {
    expect(nextStop(within(steps, 15, 40), from, direction, distance)).toBe(to);
  });

  it("is a table of all changes, newest first", () => {
    const { rows, isComplete } = rowsOf(within(steps, 15, 40), 30);
    expect(rows.map(({ minor }) => minor)).toEqual([3n, 2n, 1n]);
    expect(isComplete).toBe(true);
  });

  it("is a table of balances at equal distances of time if there are too many changes", () => {
    const many = line(...Array.from({ length: 100 }, (_, index) => [index, BigInt(index)] as const));
    const { rows, isComplete } = rowsOf([...many, { sequence: 100n, time: 100, minor: 99n }], 5);
    expect(isComplete).toBe(false);
    expect(rows.map(({ time, minor }) => [time, minor])).toEqual([[100, 99n], [75, 75n], [50, 50n], [25, 25n], [0, 0n]]);
  });
});

describe("the ranges", () => {
  const end = new Date(2028, 1, 29, 9, 30).getTime();

  it("go back hours, days of the calendar, and a year", () => {
    expect(startOf("24H", end, 0)).toBe(end - 24 * 3_600_000);
    expect(new Date(startOf("7D", end, 0))).toEqual(new Date(2028, 1, 22, 9, 30));
    expect(new Date(startOf("30D", end, 0))).toEqual(new Date(2028, 0, 30, 9, 30));
    expect(new Date(startOf("90D", end, 0))).toEqual(new Date(2027, 10, 31, 9, 30));
    expect(new Date(startOf("1Y", end, 0))).toEqual(new Date(2027, 1, 28, 9, 30));
    expect(startOf("All", end, 42)).toBe(42);
  });

  it("begin where the wallet was opened, if that is later", () => {
    const opened = end - 3_600_000;
    expect(startOf("90D", end, opened)).toBe(opened);
    expect(startOf("All", end, end + 1)).toBe(end);
    expect(isYounger("24H", end, opened)).toBe(true);
    expect(isYounger("24H", end, end - 25 * 3_600_000)).toBe(false);
    expect(isYounger("All", end, 0)).toBe(true);
  });

  it.each([
    ["24H", "HOUR"],
    ["7D", "HOUR"],
    ["30D", "DAY"],
    ["90D", "DAY"],
    ["1Y", "DAY"],
    ["All", "MONTH"],
  ] as const)("%s is asked for by %s, of which there are at most 400", (range, period) => {
    const start = startOf(range, end, 0);
    expect(periodOf(start, end)).toBe(period);
    const length = { HOUR: 3_600_000, DAY: 86_400_000, MONTH: Infinity }[period];
    // A day of 25 hours, and the periods at both ends that the range only touches.
    expect((end - start + 3_600_000) / length + 2).toBeLessThanOrEqual(400);
  });
});

describe("the periods of a balance", () => {
  const USD = (amount: string) => ({ amount, currency: "USD" });
  const at = (hours: number): string => new Date(NOON + hours * 3_600_000).toISOString();
  const period = (hours: number, opening: string, closing: string, entryCount: number, closingSequence: number): BalancePeriod =>
    ({ from: at(hours), to: at(hours + 1), opening: USD(opening), closing: USD(closing), entryCount: String(entryCount), closingSequence: String(closingSequence) });
  const now = NOON + 2.5 * 3_600_000;

  it("are what the first opens with, and what each with entries closes with, at its end or now", () => {
    const steps = stepsOfPeriods([period(0, "1.00", "2.00", 3, 8), period(1, "2.00", "2.00", 0, 8), period(2, "2.00", "5.00", 1, 9)], 2, now);
    expect(steps).toEqual([
      { sequence: 5n, time: NOON, minor: 100n },
      { sequence: 8n, time: NOON + 3_600_000, minor: 200n },
      { sequence: 9n, time: now, minor: 500n },
    ]);
  });

  it("have no balance before the first entry", () => {
    expect(sequences(stepsOfPeriods([period(0, "0.00", "0.00", 0, 0), period(1, "0.00", "2.00", 1, 1)], 2, now))).toEqual([1]);
    expect(stepsOfPeriods([], 2, now)).toEqual([]);
  });

  it("give way to the exact time of an entry", () => {
    const exact = stepsOf([[point(8, "2.00", 60), point(9, "5.00", 8_000)]], 2);
    const steps = joined(stepsOfPeriods([period(0, "1.00", "2.00", 3, 8), period(2, "2.00", "5.00", 1, 9)], 2, now), exact);
    expect(steps.map(({ sequence, time }) => [Number(sequence), time - NOON])).toEqual([[5, 0], [8, 60_000], [9, 8_000_000]]);
  });
});

describe("the scale", () => {
  it("fits the balances, with room above and below", () => {
    expect(scaleOf([100_00n, 200_00n])).toEqual({ lower: 90_00n, upper: 210_00n, ticks: [100_00n, 150_00n, 200_00n] });
  });

  it("spans a tenth of the balance, so that a small change looks small", () => {
    const { lower, upper } = scaleOf([50_00n, 49_01n]);
    expect(upper - lower).toBe(5_00n);
  });

  it("does not go past zero", () => {
    expect(scaleOf([0n, 100n])).toMatchObject({ lower: 0n, upper: 120n });
    expect(scaleOf([0n, -100n])).toMatchObject({ lower: -120n, upper: 0n });
    expect(scaleOf([0n, 0n])).toMatchObject({ lower: 0n, upper: 5n });
  });

  it("has zero among its ticks if it contains it", () => {
    expect(scaleOf([-7_00n, 12_00n]).ticks).toContain(0n);
    expect(scaleOf([-3n, 1n]).ticks).toContain(0n);
    expect(hasZero(scaleOf([-3n, 1n]))).toBe(true);
    expect(hasZero(scaleOf([300n, 100n]))).toBe(false);
  });

  it("has labels without decimals if all ticks are whole, in the reader's digits", () => {
    const labels = (minors: readonly bigint[], currency: string, exponent: number, locale: string) =>
      tickLabels(scaleOf(minors), currency, exponent, locale).map((label) => label.replace(/[\s\u200f]/gu, " ").trim());
    expect(labels([100_00n, 200_00n], "USD", 2, "en-US")).toEqual(["$100", "$150", "$200"]);
    expect(labels([1_00n, 1_50n], "EUR", 2, "de-DE")).toEqual(["1,00 €", "1,20 €", "1,40 €"]);
    expect(labels([-1_000n, 1_000n], "JPY", 0, "ja-JP")).toEqual(["−￥1,000", "−￥500", "￥0", "￥500", "￥1,000"]);
    expect(labels([100_00n, 200_00n], "USD", 2, "ar-EG")[0]).toContain("١٠٠");
  });

  it("has two to six round ticks inside, also for amounts too large for a Number", () => {
    for (const minors of [[1n, 2n], [123_45n, 678_90n], [900_719_925_474_099_301n, 900_719_925_474_099_302n], [-5_000n, -4_000n]]) {
      const { lower, upper, ticks } = scaleOf(minors);
      expect(ticks.length).toBeGreaterThanOrEqual(2);
      expect(ticks.length).toBeLessThanOrEqual(6);
      expect(ticks.every((tick) => tick >= lower && tick <= upper)).toBe(true);
    }
  });
});

describe("the labels of the time axis", () => {
  const at = new Date(2026, 10, 23, 14, 5, 9).getTime();
  const HOUR = 3_600_000;

  it.each([
    [SECOND, "en-US", "02:05:09 PM"],
    [HOUR, "de-DE", "14:05"],
    [24 * HOUR, "de-DE", "23. Nov."],
    [24 * HOUR, "ja-JP", "11月23日"],
    [24 * HOUR, "ar-EG", "٢٣ نوفمبر"],
    [31 * 24 * HOUR, "en-US", "Nov"],
    [366 * 24 * HOUR, "en-US", "2026"],
  ])("%s ms apart in %s: %s", (increment, locale, label) => {
    expect(timeLabels([at], increment, locale)[0]?.replace(/\s/gu, " ")).toBe(label);
  });

  it("name the day at midnight and the year in January", () => {
    expect(timeLabels([new Date(2026, 10, 23).getTime()], HOUR, "en-US")).toEqual(["Nov 23"]);
    expect(timeLabels([new Date(2027, 0, 1).getTime()], 31 * 24 * HOUR, "en-US")).toEqual(["2027"]);
  });
});
