import { useState } from "react";
import { CaptureDialog } from "./CaptureDialog.js";
import { ReleaseDialog } from "./ReleaseDialog.js";
import type { WantedAction } from "./actions.js";
import type { Hold } from "./queries.js";

interface HoldActionsProps {
  readonly hold: Hold;
  /** While another action is running. */
  readonly isBusy: boolean;
  readonly onAct: (wanted: WantedAction) => void;
}

/** What the owner of the receiver's wallet can do with an open hold. */
export function HoldActions({ hold, isBusy, onAct }: HoldActionsProps) {
  const [asks, setAsks] = useState<"capture" | "release" | null>(null);
  const close = (): void => setAsks(null);
  const act = (wanted: Omit<WantedAction, "hold">): void => {
    close();
    onAct({ hold, ...wanted });
  };
  return (
    <>
      <button type="button" className="button button-small button-primary" aria-disabled={isBusy} onClick={() => !isBusy && setAsks("capture")}>
        Capture
      </button>
      <button type="button" className="button button-small" aria-disabled={isBusy} onClick={() => !isBusy && setAsks("release")}>
        Release
      </button>
      {asks === "capture" && (
        <CaptureDialog hold={hold} onClose={close} onConfirm={(amount, keepsRest) => act({ action: keepsRest ? "capture-and-keep" : "capture", amount })} />
      )}
      {asks === "release" && <ReleaseDialog hold={hold} onClose={close} onConfirm={() => act({ action: "release", amount: hold.remaining })} />}
    </>
  );
}
