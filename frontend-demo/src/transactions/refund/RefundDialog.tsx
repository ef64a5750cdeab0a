import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { formatMoney, type Money } from "../../money/format.js";
import { MoneyText } from "../../money/Money.js";
import { LimitedAmountField, useLimitedAmount } from "../../send/LimitedAmount.js";
import { Dialog } from "../../ui/Dialog.js";
import { lengthLimit } from "../../ui/lengthLimit.js";
import { boughtBack, type Exchanged } from "./parts.js";
import type { WantedRefund } from "./useRefund.js";

interface RefundDialogProps {
  readonly title: string;
  readonly to: string;
  /** The most that may go back. */
  readonly left: Money;
  readonly hasFee: boolean;
  /** Of an exchange: what was sold and bought, and what of the sold amount went back before. */
  readonly exchanged: Exchanged | null;
  readonly onConfirm: (wanted: WantedRefund) => void;
  readonly onClose: () => void;
}

/** Asks how much goes back: all that is left, unless another amount is entered. */
export function RefundDialog({ title, to, left, hasFee, exchanged, onConfirm, onClose }: RefundDialogProps) {
  const entry = useLimitedAmount(left, left, (limit) => `Only ${limit} of it has not gone back yet.`);
  const [note, setNote] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const { money, exponent } = entry;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (money !== null) {
      onConfirm({ amount: money, description: note.trim() === "" ? null : note.trim() });
    } else {
      field.current?.focus();
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={submit} noValidate>
        <LimitedAmountField
          id="refund-amount"
          entry={entry}
          field={field}
          hint={
            <>
              Up to <MoneyText money={left} />, to <bdi>{to}</bdi>.{hasFee && " The same part of the fee goes back, too."}
            </>
          }
        />
        {exchanged !== null && money !== null && (
          <p role="status">
            <MoneyText money={boughtBack(exchanged, money)} /> leaves the wallet that was paid, and <MoneyText money={money} /> goes back, at the rate of the payment.
          </p>
        )}
        <div className="field">
          <label htmlFor="refund-note">Note (optional)</label>
          <input id="refund-note" className="input" maxLength={lengthLimit(280)} autoComplete="off" value={note} onChange={(event) => setNote(event.target.value)} />
        </div>
        <button type="submit" className="button button-primary">
          {money === null ? "Give back" : `Give back ${formatMoney(money, exponent)}`}
        </button>
      </form>
    </Dialog>
  );
}
