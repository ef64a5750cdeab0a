import { useLayoutEffect } from "react";
import { millisecondsOf } from "../ui/time.js";
import { now } from "./feed.js";
import { rememberPainted, usePainted } from "./painted.js";

/**
 * The time from an entry's commit (`createdAt`) to the frame that shows it. The browser measures it. In the demo both
 * clocks belong to one machine. Over a network the result would include the difference of the clocks.
 */
export function Latency({ entryId, createdAt }: { readonly entryId: string; readonly createdAt: string }) {
  const milliseconds = usePainted(entryId);
  const isMeasured = milliseconds !== undefined;
  useLayoutEffect(() => {
    if (isMeasured) {
      return undefined;
    }
    // The frame is on the screen when the next task after it runs.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const frame = requestAnimationFrame(() => {
      timer = setTimeout(() => rememberPainted(entryId, Math.max(0, now() - millisecondsOf(createdAt))));
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [entryId, createdAt, isMeasured]);
  return isMeasured ? (
    <span className="latency" title="From commit to screen">
      {Math.round(milliseconds)} ms
    </span>
  ) : null;
}
