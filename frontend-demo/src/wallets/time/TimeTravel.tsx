import "./time.css";
import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { serverNow } from "../../live/serverClock.js";
import { Icon } from "../../ui/Icon.js";
import { AsItWas } from "./AsItWas.js";
import { agoText, FINAL_AFTER_MILLISECONDS, keyTarget, localText, momentText } from "./moments.js";

interface TimeTravelProps {
  readonly walletId: string;
  /** When the wallet's history begins. */
  readonly beganAt: string;
  /** Whether a moment of the past is shown. */
  readonly isAway: boolean;
  readonly onAway: (isAway: boolean) => void;
}

const SETTLE_MILLISECONDS = 250;

/** A slider over the history of the wallet. Below it stands the wallet as it was then. */
export function TimeTravel({ walletId, beganAt, isAway, onAway }: TimeTravelProps) {
  const [end] = useState(() => Math.max(Date.parse(beganAt), serverNow() - FINAL_AFTER_MILLISECONDS));
  const start = Math.min(end, Date.parse(beganAt));
  const [at, setAt] = useState(end);
  const settled = useSettled(at);
  const id = useId();
  const slider = useRef<HTMLInputElement>(null);
  const words = isAway ? momentText(at) : "Now";
  const go = (to: number): void => {
    setAt(to);
    onAway(true);
  };
  const back = (): void => {
    setAt(end);
    onAway(false);
    slider.current?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    const to = keyTarget(event.key, at, start, end);
    if (to !== undefined) {
      event.preventDefault();
      go(to);
    } else if (event.key === "Escape" && isAway) {
      back();
    }
  };
  return (
    <section className="card stack travel" aria-labelledby={`${id}-title`}>
      <div className="travel-top">
        <h2 id={`${id}-title`}>The wallet as it was</h2>
        {isAway && (
          <button type="button" className="button button-small" onClick={back}>
            Back to now
          </button>
        )}
      </div>
      <p className="travel-words">
        <Icon name="history" /> <strong>{words}</strong> {isAway && <span className="muted">{agoText(at, serverNow())}</span>}
      </p>
      <input
        ref={slider}
        type="range"
        className="travel-slider"
        aria-label="Moment"
        aria-valuetext={words}
        aria-describedby={`${id}-hint`}
        min={0}
        max={Math.max(1, end - start)}
        step={1}
        value={at - start}
        onChange={(event) => go(start + Number(event.target.value))}
        onKeyDown={onKey}
      />
      <div className="travel-ends muted">
        <time dateTime={beganAt}>{momentDay(start)}</time>
        <label className="travel-exact">
          <span>Exactly at</span>
          <input type="datetime-local" className="input" step={1} min={localText(start)} max={localText(end)} value={localText(at)} onChange={(event) => goTo(event.target.value, start, end, go)} />
        </label>
        <span>Now</span>
      </div>
      <p id={`${id}-hint`} className="muted travel-hint">
        Arrow keys go in small steps, Page Up and Page Down in larger ones, Escape goes back to now.
      </p>
      {isAway && <AsItWas walletId={walletId} at={settled} isSettled={settled === at} />}
    </section>
  );
}

/** A moment outside of the wallet's history is not gone to. */
function goTo(typed: string, start: number, end: number, go: (to: number) => void): void {
  const to = new Date(typed).getTime();
  if (!Number.isNaN(to)) {
    go(Math.min(end, Math.max(start, to)));
  }
}

function momentDay(at: number): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(at);
}

/** The value once it rests. */
function useSettled(value: number): number {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
