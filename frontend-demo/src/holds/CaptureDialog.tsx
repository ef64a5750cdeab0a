import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { toMinor } from "../money/decimal.js";
import { formatMoney, type Money } from "../money/format.js";
import { MoneyText } from "../money/Money.js";
import { LimitedAmountField, useLimitedAmount } from "../send/LimitedAmount.js";
import { Dialog } from "../ui/Dialog.js";
import type { Hold } from "./queries.js";

interface CaptureDialogProps {
  readonly hold: Pick<Hold, "remaining" | "wallet">;
  readonly onConfirm: (amount: Money, keepsRest: boolean) => void;
  readonly onClose: () => void;
}

/** Asks how much is captured: all that remains, unless another amount is entered. Of a part it asks what becomes of the rest. */
export function CaptureDialog({ hold: { remaining, wallet }, onConfirm, onClose }: CaptureDialogProps) {
  const entry = useLimitedAmount(remaining, remaining, (limit) => `Only ${limit} of it remains.`);
  const [keepsRest, setKeepsRest] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const { money, exponent } = entry;
  const isPart = money !== null && toMinor(money.amount, exponent) < toMinor(remaining.amount, exponent);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (money !== null) {
      onConfirm(money, isPart && keepsRest);
    } else {
      field.current?.focus();
    }
  };
  return (
    <Dialog title="Capture from this hold" onClose={onClose}>
      <form className="stack" onSubmit={submit} noValidate>
        <LimitedAmountField
          id="capture-amount"
          entry={entry}
          field={field}
          hint={
            <>
              Up to <MoneyText money={remaining} />, paid by <bdi>{wallet.displayName}</bdi>.
            </>
          }
        />
        {/* Always there, so that the dialog does not grow while an amount is written. */}
        <fieldset className="field hold-rest" disabled={!isPart}>
          <legend>What remains after it</legend>
          <label>
            <input type="radio" name="rest" checked={!keepsRest} onChange={() => setKeepsRest(false)} /> Release it
          </label>
          <label>
            <input type="radio" name="rest" checked={keepsRest} onChange={() => setKeepsRest(true)} /> Keep it held for another capture
          </label>
        </fieldset>
        <button type="submit" className="button button-primary">
          {money === null ? "Capture" : `Capture ${formatMoney(money, exponent)}`}
        </button>
      </form>
    </Dialog>
  );
}
