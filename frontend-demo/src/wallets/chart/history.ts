import { toMinor } from "../../money/decimal.js";
import { millisecondsOf } from "../../ui/time.js";
import type { Point } from "../points.js";

/** A balance and when it became that. It stays until the next step. */
export interface Step {
  readonly sequence: bigint;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly minor: bigint;
}

/** The entries of all lists, oldest first, each once. */
export function stepsOf(lists: readonly (readonly Point[])[], exponent: number): Step[] {
  const steps = lists.flat().map(({ sequence, createdAt, balanceAfter }) => ({
    sequence: BigInt(sequence),
    time: millisecondsOf(createdAt),
    minor: toMinor(balanceAfter.amount, exponent),
  }));
  return joined([], steps);
}

/** All steps, oldest first, each sequence once. The time of an entry is exact, that of a period's end is not, so `exact` ones count. */
export function joined(rough: readonly Step[], exact: readonly Step[]): Step[] {
  const known = new Map([...rough, ...exact].map((step) => [step.sequence, step]));
  const steps = [...known.values()].sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
  let latest = -Infinity;
  // A line never goes back in time, even if the clocks of two servers differ.
  return steps.map((step) => ({ ...step, time: (latest = Math.max(latest, step.time)) }));
}

/** The oldest step from which no entry is missing. Undefined if there are no steps. */
export function completeSince(steps: readonly Step[]): Step | undefined {
  let index = steps.length - 1;
  for (; index > 0; index -= 1) {
    const [before = 0n, after = 0n] = [steps[index - 1]?.sequence, steps[index]?.sequence];
    if (before + 1n !== after) {
      break;
    }
  }
  return steps[index];
}

/** The last step at or before `time`. Undefined if all are later. */
export function stepAt(steps: readonly Step[], time: number): Step | undefined {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle]?.time ?? Infinity) <= time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return steps[low - 1];
}

/** The steps to draw from `start` to `end`: the first begins at `start`, where its balance is known, and the last reaches `end`. */
export function within(steps: readonly Step[], start: number, end: number): Step[] {
  const before = stepAt(steps, start);
  const inside = steps.filter(({ time }) => time > start && time <= end);
  const line = before === undefined ? inside : [{ ...before, time: start }, ...inside];
  const last = line.at(-1);
  return last === undefined ? [] : [...line, { ...last, time: end }];
}

/** The time of the next change in a direction (1 or -1) that is at least `distance` away from `time`, or the end of the line. */
export function nextStop(line: readonly Step[], time: number, direction: 1 | -1, distance: number): number {
  const times = line.map((step) => step.time);
  const far = direction === 1 ? times.find((at) => at >= time + distance) : times.findLast((at) => at <= time - distance);
  return far ?? (direction === 1 ? (times.at(-1) ?? time) : (times[0] ?? time));
}

/** At most `most` steps of a line for a table: all its changes, or the balances at equal distances of time. Newest first. */
export function rowsOf(line: readonly Step[], most: number): { readonly rows: readonly Step[]; readonly isComplete: boolean } {
  // The line's last step repeats the balance before it.
  const changes = line.slice(0, -1);
  const [first, last] = [changes[0], line.at(-1)];
  if (first === undefined || last === undefined || changes.length <= most) {
    return { rows: changes.toReversed(), isComplete: true };
  }
  const times = Array.from({ length: most }, (_, index) => last.time - ((last.time - first.time) * index) / (most - 1));
  return { rows: times.flatMap((time) => ({ ...(stepAt(line, time) ?? first), time })), isComplete: false };
}
