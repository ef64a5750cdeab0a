import { useLayoutEffect, useState } from "react";
import { millisecondsOf } from "../ui/time.js";
import { now } from "./feed.js";

const painted = new Map<string, number>();
const MOST_REMEMBERED = 2_000;

/**
 * How long an entry took from the ledger's commit to this screen: its `createdAt` to the frame that shows it, measured where it is
 * shown. Both clocks are those of one machine in the demo; over a network the difference of the clocks would be in it.
 */
export function Latency({ entryId, createdAt }: { readonly entryId: string; readonly createdAt: string }) {
  const [milliseconds, setMilliseconds] = useState(() => painted.get(entryId));
  useLayoutEffect(() => {
    if (painted.has(entryId)) {
      return undefined;
    }
    // A frame is on screen once the task after it runs.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const frame = requestAnimationFrame(() => {
      timer = setTimeout(() => {
        const taken = Math.max(0, now() - millisecondsOf(createdAt));
        if (painted.size >= MOST_REMEMBERED) {
          painted.clear();
        }
        painted.set(entryId, taken);
        setMilliseconds(taken);
      });
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [entryId, createdAt]);
  return milliseconds === undefined ? null : (
    <span className="latency" title="From commit to screen">
      {Math.round(milliseconds)} ms
    </span>
  );
}

/** The middle one of what was measured for these entries; null before the first. */
export function medianLatency(entryIds: readonly string[]): number | null {
  const taken = entryIds.flatMap((id) => painted.get(id) ?? []).sort((a, b) => a - b);
  return taken[Math.floor(taken.length / 2)] ?? null;
}
