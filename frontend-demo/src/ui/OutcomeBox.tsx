import "./OutcomeBox.css";
import { useEffect, useRef, type ReactNode } from "react";

interface OutcomeBoxProps {
  readonly state: { readonly phase: "draft" | "sending" | "unknown" | "settled" | "refused"; readonly trouble?: unknown };
  readonly onRetry: () => void;
  readonly onDone: () => void;
  /** Whether it takes the focus with an outcome even from another element, which may go away with it. */
  readonly takesFocus?: boolean;
  /** What is said of the state. */
  readonly children: ReactNode;
}

/** What became of a request, by the service's answers only. It takes the focus if nothing else has it. */
export function OutcomeBox({ state: { phase, trouble }, onRetry, onDone, takesFocus = false, children }: OutcomeBoxProps) {
  const section = useRef<HTMLDivElement>(null);
  const isShown = phase !== "draft" || trouble != null;
  useEffect(() => {
    const isOver = phase === "settled" || phase === "refused";
    if (isShown && ((takesFocus && isOver) || document.activeElement === null || document.activeElement === document.body)) {
      section.current?.focus();
    }
  }, [isShown, phase, takesFocus]);
  const finish = (): void => {
    focusHeading(section.current);
    onDone();
  };
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
          <button type="button" className="button" onClick={finish}>
            Done
          </button>
        </div>
      )}
    </div>
  );
}

/** The button goes away with the outcome, so the focus goes to the heading of what it belongs to. */
function focusHeading(box: HTMLElement | null): void {
  const heading = box?.closest("section")?.querySelector<HTMLElement>("h1, h2");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus();
}
