import type { Arrival } from "../live/feed.js";

/** What became of the sequence numbers since the experiment began. */
export interface Strip {
  /** In the order of their arrival; `isCaughtUp` where a number came only after the connection was back. */
  readonly cells: readonly { readonly sequence: string; readonly isCaughtUp: boolean }[];
  /** Numbers that were passed over. */
  readonly gaps: number;
  /** Numbers that came more than once, or after a later one. */
  readonly repeats: number;
}

export interface Payments {
  readonly sent: number;
  /** With whatever outcome. */
  readonly answered: number;
  readonly paid: number;
}

/** Payments that have no answer yet, or no entry here. */
export function outstanding({ cells }: Strip, { sent, answered, paid }: Payments): number {
  return sent - answered + Math.max(0, paid - cells.length);
}

/**
 * Whether nothing was lost and nothing came twice; null while that is not known. What is outstanding counts as lost only where
 * it has had its time.
 */
export function verdictOf(strip: Strip, payments: Payments, isOverdue: boolean): boolean | null {
  if (strip.gaps > 0 || strip.repeats > 0) {
    return false;
  }
  if (outstanding(strip, payments) > 0) {
    return isOverdue ? false : null;
  }
  return true;
}

/** `arrivals` are newest first; `since` is the last number before the experiment. */
export function stripOf(arrivals: readonly Arrival[], since: string): Strip {
  const cells = arrivals
    .filter(({ entry }) => BigInt(entry.sequence) > BigInt(since))
    .map(({ entry, isCaughtUp }) => ({ sequence: entry.sequence, isCaughtUp }))
    .reverse();
  let last = BigInt(since);
  let [gaps, repeats] = [0, 0];
  for (const { sequence } of cells) {
    const number = BigInt(sequence);
    if (number <= last) {
      repeats += 1;
    } else {
      gaps += Number(number - last - 1n);
      last = number;
    }
  }
  return { cells, gaps, repeats };
}
