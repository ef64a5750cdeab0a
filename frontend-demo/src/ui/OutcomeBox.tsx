import "./OutcomeBox.css";
import { useEffect, useRef, type ReactNode } from "react";

interface OutcomeBoxProps {
  readonly state: { readonly phase: "draft" | "sending" | "unknown" | "settled" | "refused"; readonly trouble?: unknown };
  readonly onRetry: () => void;
  readonly onDone: () => void;
  /** What is said of the state. */
  readonly children: ReactNode;
}

/** What became of a request, by the service's answers only. It takes the focus if nothing else has it. */
export function OutcomeBox({ state: { phase, trouble }, onRetry, onDone, children }: OutcomeBoxProps) {
  const section = useRef<HTMLDivElement>(null);
  const isShown = phase !== "draft" || trouble != null;
  useEffect(() => {
    if (isShown && (document.activeElement === null || document.activeElement === document.body)) {
      section.current?.focus();
    }
  }, [isShown, phase]);
  return (
    <div ref={section} tabIndex={-1} className="stack outcome-box" role="group" aria-label="Outcome" aria-live="polite" hidden={!isShown}>
      {children}
      {phase === "unknown" && (
        <div className="form-actions">
          <button type="button" className="button button-primary" onClick={onRetry}>
            Try again now
          </button>
        </div>
      )}
      {(phase === "settled" || phase === "refused") && (
        <div className="form-actions">
          <button type="button" className="button" onClick={onDone}>
            Done
          </button>
        </div>
      )}
    </div>
  );
}
