import { useEffect, useState } from "react";
import { now } from "../live/feed.js";
import { useAccount } from "../session/AccountContext.js";
import { millisecondsOf } from "../ui/time.js";
import { kept, percentile, type Sample } from "./lines/samples.js";

/** The figures are of what arrived in so many seconds. */
export const MEASURED_SECONDS = 30;
const EVERY_MILLISECONDS = 2_000;
const MOST_KEPT = 3_000;

export interface Latency {
  /** The median and the 99th percentile, oldest first. */
  readonly samples: readonly Sample[];
  readonly median: number | null;
  readonly p99: number | null;
  /** How many transactions were measured. */
  readonly count: number;
}

interface Arrived {
  readonly at: number;
  readonly milliseconds: number;
}

/**
 * The time from a transaction's commit (`completedAt`) to its arrival here by transactionSettled. The browser measures it, so over a
 * network it includes the difference of the clocks.
 */
export function useLatency(): Latency {
  const { live } = useAccount();
  const [latency, setLatency] = useState<Latency>({ samples: [], median: null, p99: null, count: 0 });
  useEffect(() => {
    const { settled } = live;
    let arrived: readonly Arrived[] = [];
    let seen = -Infinity;
    const take = (): void => {
      const fresh = settled.state.rows.filter(({ arrivedAt }) => arrivedAt > seen);
      seen = fresh[0]?.arrivedAt ?? seen;
      const measured = fresh.flatMap(({ transaction: { completedAt }, arrivedAt }) =>
        completedAt === null ? [] : [{ at: arrivedAt, milliseconds: Math.max(0, arrivedAt - millisecondsOf(completedAt)) }],
      );
      arrived = [...measured, ...arrived].slice(0, MOST_KEPT);
    };
    const measure = (): void => {
      const time = now();
      arrived = arrived.filter(({ at }) => at >= time - 1_000 * MEASURED_SECONDS);
      const values = settled.state.connection === "live" ? arrived.map(({ milliseconds }) => milliseconds) : [];
      const [median, p99] = [percentile(values, 0.5), percentile(values, 0.99)];
      setLatency(({ samples }) => ({ samples: kept(samples, { time, values: [median, p99] }), median, p99, count: values.length }));
    };
    const release = settled.retain();
    const leave = settled.subscribe(take);
    take();
    const timer = setInterval(measure, EVERY_MILLISECONDS);
    return () => {
      clearInterval(timer);
      leave();
      release();
    };
  }, [live]);
  return latency;
}
