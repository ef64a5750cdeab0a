import { useExponent } from "../money/CurrenciesContext.js";
import { formatMoney } from "../money/format.js";
import { MoneyText } from "../money/Money.js";
import { Dialog } from "../ui/Dialog.js";
import type { Hold } from "./queries.js";

interface ReleaseDialogProps {
  readonly hold: Pick<Hold, "remaining" | "wallet">;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** A release cannot be taken back, so it asks first. */
export function ReleaseDialog({ hold: { remaining, wallet }, onConfirm, onClose }: ReleaseDialogProps) {
  const exponent = useExponent(remaining.currency);
  return (
    <Dialog title="Release this hold" onClose={onClose}>
      <div className="stack">
        <p>
          <bdi>{wallet.displayName}</bdi> can spend <MoneyText money={remaining} /> again. It can no longer be captured.
        </p>
        <button type="button" className="button button-primary" onClick={onConfirm}>
          Release {formatMoney(remaining, exponent)}
        </button>
      </div>
    </Dialog>
  );
}
