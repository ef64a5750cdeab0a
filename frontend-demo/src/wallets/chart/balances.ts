import { graphql, type ResultOf } from "../../graphql/tada.js";
import { toMinor } from "../../money/decimal.js";
import { millisecondsOf } from "../../ui/time.js";
import type { Step } from "./history.js";

/** The balance at the end of each hour, day or month of a calendar. */
export const BALANCES = graphql(`
  query Balances($id: ID!, $from: DateTime!, $to: DateTime!, $step: BalanceStep!, $timeZone: String!) {
    wallet(id: $id) {
      id
      balances(from: $from, to: $to, step: $step, timeZone: $timeZone) {
        from to entryCount closingSequence
        opening { amount currency }
        closing { amount currency }
      }
    }
  }
`);

export type BalancePeriod = NonNullable<ResultOf<typeof BALANCES>["wallet"]>["balances"][number];

/** The reader's time zone, by its name in the tz database. */
export function timeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** What the periods say of the balance: what the first opens with, and what each with entries closes with, at its end. Oldest first. */
export function stepsOfPeriods(periods: readonly BalancePeriod[], exponent: number, now: number): Step[] {
  const [first] = periods;
  if (first === undefined) {
    return [];
  }
  const opening: Step = {
    sequence: BigInt(first.closingSequence) - BigInt(first.entryCount),
    time: millisecondsOf(first.from),
    minor: toMinor(first.opening.amount, exponent),
  };
  const closings = periods
    .filter(({ entryCount }) => entryCount !== "0")
    .map(({ to, closing, closingSequence }) => ({
      sequence: BigInt(closingSequence),
      // The last period is not over yet.
      time: Math.min(now, millisecondsOf(to)),
      minor: toMinor(closing.amount, exponent),
    }));
  // Before its first entry a wallet had no balance that anything was posted to.
  return opening.sequence === 0n ? closings : [opening, ...closings];
}
