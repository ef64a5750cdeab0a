import { decimalsOf, toMinor } from "../money/decimal.js";

/** A balance and when the wallet got it. */
export interface Point {
  readonly sequence: string;
  readonly createdAt: string;
  readonly balanceAfter: { readonly amount: string; readonly currency: string };
}

/** Oldest first, each once: what a query knew (newest first) and what came since (newest first). */
export function pointsOf(queried: readonly Point[], arrived: readonly Point[]): Point[] {
  const newestQueried = BigInt(queried[0]?.sequence ?? "-1");
  return [...arrived.filter(({ sequence }) => BigInt(sequence) > newestQueried), ...queried].reverse();
}

/** From 0 (the lowest balance) to 1 (the highest): where to draw, not how much it is. */
export function heights(points: readonly Point[]): number[] {
  const minors = points.map(({ balanceAfter: { amount } }) => toMinor(amount, decimalsOf(amount)));
  const lowest = minors.reduce((a, b) => (b < a ? b : a), minors[0] ?? 0n);
  const highest = minors.reduce((a, b) => (b > a ? b : a), minors[0] ?? 0n);
  const range = highest - lowest;
  return minors.map((minor) => (range === 0n ? 0.5 : Number(((minor - lowest) * 10_000n) / range) / 10_000));
}
