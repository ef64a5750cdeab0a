import { useEffect, useState } from "react";
import { Icon } from "../ui/Icon.js";
import { formatClock } from "../ui/time.js";
import { now } from "./feed.js";
import { connection, useConnection } from "./page.js";

/** Shorter outages show no banner. */
const SILENT_MILLISECONDS = 700;
const TICK_MILLISECONDS = 250;

/** Shows when the connection was lost, how old the balances are, and when the page tries again. */
export function ConnectionBanner() {
  const { state, lostAt, nextTryAt } = useConnection();
  const time = useClock(lostAt !== null);
  const isShown = lostAt !== null && time - lostAt >= SILENT_MILLISECONDS;
  const asOf = lostAt === null ? "" : `Balances as of ${formatClock(lostAt)}.`;
  return (
    <>
      {/* Screen readers get only this text: the visible text changes every second. */}
      <p className="visually-hidden" role="status" aria-label="Connection lost">
        {isShown ? `Connection lost. ${asOf} This page tries again by itself.` : ""}
      </p>
      {isShown && (
        <section className="outage" aria-label="Outage">
          <div className="outage-inner">
            <Icon name="alert" />
            <p className="outage-text">
              <strong>Connection lost {formatAge(time - lostAt)} ago.</strong> <span>{asOf}</span>{" "}
              <span className="outage-next">{nextText(state === "catching-up", nextTryAt, time)}</span>
            </p>
            <button type="button" className="button button-small" aria-label="Try to connect now" onClick={connection.resume}>
              Now
            </button>
          </div>
        </section>
      )}
    </>
  );
}

/** Such as "12 s" or "3 min". */
export function formatAge(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1_000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

function nextText(isCatchingUp: boolean, nextTryAt: number | null, time: number): string {
  if (nextTryAt === null) {
    return isCatchingUp ? "Catching up…" : "Trying…";
  }
  return `Next try in ${Math.max(1, Math.ceil((nextTryAt - time) / 1_000))} s`;
}

/** The current time, updated four times a second while `isNeeded`. */
export function useClock(isNeeded: boolean): number {
  const [time, setTime] = useState(now);
  useEffect(() => {
    if (!isNeeded) {
      return undefined;
    }
    const timer = setInterval(() => setTime(now()), TICK_MILLISECONDS);
    return () => clearInterval(timer);
  }, [isNeeded]);
  return time;
}
