import { useLayoutEffect } from "react";
import { millisecondsOf } from "../ui/time.js";
import { now } from "./feed.js";
import { rememberPainted, usePainted } from "./painted.js";

/**
 * How long an entry took from the ledger's commit to this screen: its `createdAt` to the frame that shows it, measured where it is
 * shown. Both clocks are those of one machine in the demo; over a network the difference of the clocks would be in it.
 */
export function Latency({ entryId, createdAt }: { readonly entryId: string; readonly createdAt: string }) {
  const milliseconds = usePainted(entryId);
  const isMeasured = milliseconds !== undefined;
  useLayoutEffect(() => {
    if (isMeasured) {
      return undefined;
    }
    // A frame is on screen once the task after it runs.
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
