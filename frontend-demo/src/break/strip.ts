import type { Arrival } from "../live/feed.js";

/** The sequence numbers that arrived since the start of the experiment. */
export interface Strip {
  /** In order of arrival. `isCaughtUp` if a number arrived only after a reconnection. */
  readonly cells: readonly { readonly sequence: string; readonly isCaughtUp: boolean }[];
  /** How many numbers were skipped. */
  readonly gaps: number;
  /** How many numbers came more than once, or after a later one. */
  readonly repeats: number;
}

export interface Payments {
  readonly sent: number;
  /** With any outcome. */
  readonly answered: number;
  readonly paid: number;
}

/** How many payments have no answer yet, or no entry here. */
export function outstanding({ cells }: Strip, { sent, answered, paid }: Payments): number {
  return sent - answered + Math.max(0, paid - cells.length);
}

/**
 * Whether no entry was lost or came twice. Null while that is unknown. An outstanding payment counts as lost only if
 * `isOverdue`.
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

/** `arrivals` is newest first. `since` is the last sequence number before the experiment. */
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
