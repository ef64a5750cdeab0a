import { useEffect, useMemo, useState } from "react";
import type { CombinedError } from "@urql/core";
import { useAnswer } from "../../graphql/useAnswer.js";
import { millisecondsOf } from "../../ui/time.js";
import type { Point } from "../points.js";
import { completeSince, stepsOf, within, type Step } from "./history.js";
import { startOf, timesBetween, type Range } from "./ranges.js";
import { BALANCE_SAMPLES, pointsOfSamples, SAMPLES, sampleVariables } from "./samples.js";

export interface History {
  readonly start: number;
  readonly end: number;
  /** From `start`, or from the first known balance after it, to `end`. Empty if there is no balance in the range. */
  readonly line: readonly Step[];
  /** Before this time the line has the balances at some times only. Null if it has every change. */
  readonly sampledUntil: number | null;
  readonly isLoading: boolean;
  readonly error: CombinedError | undefined;
  readonly again: () => void;
}

interface Known {
  readonly walletId: string;
  readonly exponent: number;
  /** The newest entries, from a query and from the live feed. */
  readonly newest: readonly (readonly Point[])[];
  readonly firstEntryAt: string;
}

const CLOCK_MILLISECONDS = 15_000;

/** The balance over a range of time: each change of the newest entries, and before these the balances at SAMPLES times. */
export function useHistory({ walletId, exponent, newest, firstEntryAt }: Known, range: Range, chosenAt: number): History {
  const now = useNow(chosenAt);
  const firstEntry = millisecondsOf(firstEntryAt);
  const exact = useMemo(() => stepsOf(newest, exponent), [newest, exponent]);
  const since = completeSince(exact);
  const isCovered = (start: number): boolean => since === undefined || since.time <= Math.max(start, firstEntry);
  const variables = useMemo(() => {
    const start = Math.max(startOf(range, chosenAt, firstEntry), firstEntry);
    // The service's limit is exclusive and has more decimals than a Date: an entry at `start` itself is before it.
    return sampleVariables(walletId, timesBetween(start + 1, chosenAt, SAMPLES));
  }, [walletId, range, chosenAt, firstEntry]);
  const needsSamples = !isCovered(startOf(range, chosenAt, firstEntry));
  const { data, error, isLoading, again } = useAnswer({ query: BALANCE_SAMPLES, variables, pause: !needsSamples });
  const samples = useMemo(() => (needsSamples ? pointsOfSamples(data) : []), [needsSamples, data]);
  const steps = useMemo(() => (samples.length === 0 ? exact : stepsOf([samples, ...newest], exponent)), [samples, exact, newest, exponent]);
  const end = Math.max(now, steps.at(-1)?.time ?? 0);
  const start = startOf(range, end, firstEntry);
  const line = useMemo(() => within(steps, start, end), [steps, start, end]);
  return {
    start,
    end,
    line,
    sampledUntil: isCovered(start) ? null : (since?.time ?? null),
    isLoading: needsSamples && isLoading,
    error: needsSamples ? error : undefined,
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
