import { useEffect, useState } from "react";
import { formatAge, useClock } from "../live/Banner.js";
import { now } from "../live/feed.js";
import { Icon } from "../ui/Icon.js";
import { formatClock } from "../ui/time.js";

/** Older figures are shown as out of date: at least two questions had no answer. */
const FRESH_MILLISECONDS = 5_000;

/** Whether what arrived at this time may not be true any more. */
export function useIsStale(answeredAt: number | null): boolean {
  const [expired, setExpired] = useState<number | null>(null);
  useEffect(() => {
    if (answeredAt === null) {
      return undefined;
    }
    const timer = setTimeout(() => setExpired(answeredAt), Math.max(0, answeredAt + FRESH_MILLISECONDS - now()));
    return () => clearTimeout(timer);
  }, [answeredAt]);
  return answeredAt !== null && expired === answeredAt;
}

/** How old figures are that are out of date. `answeredAt` is null while they are not. */
export function AsOf({ answeredAt }: { readonly answeredAt: number | null }) {
  const time = useClock(answeredAt !== null);
  return (
    <>
      {/* Screen readers get only this text: the visible text changes every second. */}
      <p className="visually-hidden" role="status" aria-label="Age of the figures">
        {answeredAt === null ? "" : `The figures are as of ${formatClock(answeredAt)}.`}
      </p>
      {answeredAt !== null && (
        <p className="as-of" aria-hidden="true">
          <Icon name="alert" />
          As of {formatClock(answeredAt)}, {formatAge(Math.max(FRESH_MILLISECONDS, time - answeredAt))} ago
        </p>
      )}
    </>
  );
}
