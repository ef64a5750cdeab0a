import { useEffect, useMemo, useState } from "react";
import type { CombinedError } from "@urql/core";
import { useAnswer } from "../../graphql/useAnswer.js";
import { millisecondsOf } from "../../ui/time.js";
import type { Point } from "../points.js";
import { BALANCES, stepsOfPeriods, timeZone } from "./balances.js";
import { completeSince, joined, stepsOf, within, type Step } from "./history.js";
import { isYounger, periodOf, startOf, type Period, type Range } from "./ranges.js";

export interface History {
  readonly start: number;
  readonly end: number;
  /** From `start`, or from the first known balance after it, to `end`. Empty if there is no balance in the range. */
  readonly line: readonly Step[];
  /** Before this time the line has the balance at the end of each period only. Null if it has every change. */
  readonly exactSince: number | null;
  readonly period: Period;
  /** Whether the line starts where the wallet's history begins, because that is later than the range's start. */
  readonly isWhole: boolean;
  readonly isLoading: boolean;
  readonly error: CombinedError | undefined;
  readonly again: () => void;
}

interface Known {
  readonly walletId: string;
  readonly exponent: number;
  /** The newest entries, from a query and from the live feed. */
  readonly newest: readonly (readonly Point[])[];
  readonly beganAt: string;
}

const CLOCK_MILLISECONDS = 15_000;

/** The balance over a range of time: each change of the newest entries, and before these the balance at the end of each period. */
export function useHistory({ walletId, exponent, newest, beganAt }: Known, range: Range, chosenAt: number): History {
  const now = useNow(chosenAt);
  const began = millisecondsOf(beganAt);
  const exact = useMemo(() => stepsOf(newest, exponent), [newest, exponent]);
  const since = completeSince(exact);
  const variables = useMemo(() => {
    const start = startOf(range, chosenAt, began);
    // Two borders must differ, also where the history begins in this moment.
    const to = new Date(Math.max(chosenAt, start + 1)).toISOString();
    return { id: walletId, from: new Date(start).toISOString(), to, step: periodOf(start, chosenAt), timeZone: timeZone() };
  }, [walletId, range, chosenAt, began]);
  const { data, error, isLoading, again } = useAnswer({ query: BALANCES, variables });
  const periods = data?.wallet?.balances;
  const steps = useMemo(() => (periods === undefined ? exact : joined(stepsOfPeriods(periods, exponent, chosenAt), exact)), [periods, exact, exponent, chosenAt]);
  const end = Math.max(now, steps.at(-1)?.time ?? 0);
  const { start, line, isWhole } = useMemo(() => {
    const from = startOf(range, end, began);
    return { start: from, line: within(steps, from, end), isWhole: isYounger(range, end, began) };
  }, [steps, range, end, began]);
  const isExact = since?.sequence === 1n || (since !== undefined && since.time <= start);
  return {
    start,
    end,
    line,
    exactSince: isExact ? null : (since?.time ?? null),
    period: variables.step,
    isWhole,
    isLoading: !isExact && isLoading,
    error: isExact ? undefined : error,
    again,
  };
}

/** The time now, every few seconds, so that the line reaches the present. */
function useNow(atFirst: number): number {
  const [now, setNow] = useState(atFirst);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), CLOCK_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return Math.max(now, atFirst);
}
