import { formatAge } from "../live/Banner.js";
import { Icon } from "../ui/Icon.js";
import type { AmbientState } from "./ambient.js";
import { useKill } from "./useKill.js";

interface ControlsProps {
  readonly ambient: AmbientState;
  readonly onTurn: (isOn: boolean) => void;
  /** Whether something restarts the API after a kill. */
  readonly canKill: boolean;
}

/** Kill the API, or pause the payments that the demo makes by itself; and in words what comes of it. */
export function Controls({ ambient, onTurn, canKill }: ControlsProps) {
  const { kill, isUnderWay, isLost, strike } = useKill();
  const isOff = ambient.mode === "off";
  return (
    <div className="proof-controls">
      {canKill && (
        <button type="button" className="button button-small button-danger" aria-disabled={isUnderWay} onClick={strike}>
          <Icon name="bolt" /> Kill the API
        </button>
      )}
      <button type="button" className="button button-small" onClick={() => onTurn(isOff)}>
        {isOff ? "Resume payments" : "Pause payments"}
      </button>
      <p className="proof-status muted" role="status" aria-label="The demo’s payments">
        {isLost ? `The API is down. ${waitingText(ambient)}` : [killText(kill), modeText(ambient, kill.phase === "none")].join(" ").trim()}
      </p>
    </div>
  );
}

function waitingText({ mode, isUnanswered }: AmbientState): string {
  if (isUnanswered) {
    return "One payment has no answer yet. It will be sent again with the same key, so it is paid once.";
  }
  return mode === "on" ? "Payments wait until it is back." : "";
}

function killText(kill: ReturnType<typeof useKill>["kill"]): string {
  switch (kill.phase) {
    case "asked":
      return "Killing the API…";
    case "back":
      return `Killed, and back after ${formatSeconds(kill.afterMilliseconds)}: both phones have caught up.`;
    case "failed":
      return kill.why;
    default:
      return "";
  }
}

function formatSeconds(milliseconds: number): string {
  return milliseconds < 10_000 ? `${(milliseconds / 1_000).toFixed(1)} s` : formatAge(milliseconds);
}

function modeText({ mode, refusal }: AmbientState, isFirst: boolean): string {
  switch (mode) {
    case "off":
      return "Payments are paused. You can still send.";
    case "resting":
      return "Nobody has touched this page for a while. Payments go on as soon as somebody does.";
    case "spent":
      return "The demo has made all its payments for today. You can still send.";
    default:
      return refusal === null ? (isFirst ? "Demo users pay each other while you watch." : "") : `The last payment was not made: ${refusal}`;
  }
}
