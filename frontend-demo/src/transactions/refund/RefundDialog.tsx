import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { useExponent } from "../../money/CurrenciesContext.js";
import { decimalsOf, toMinor } from "../../money/decimal.js";
import { formatMoney, type Money } from "../../money/format.js";
import { amountPlaceholder, parseAmount } from "../../money/input.js";
import { MoneyText } from "../../money/Money.js";
import { problemText } from "../../send/AmountField.js";
import { Dialog } from "../../ui/Dialog.js";
import { lengthLimit } from "../../ui/lengthLimit.js";
import type { WantedRefund } from "./useRefund.js";

interface RefundDialogProps {
  readonly title: string;
  readonly to: string;
  /** The most that may go back. */
  readonly left: Money;
  readonly hasFee: boolean;
  readonly onConfirm: (wanted: WantedRefund) => void;
  readonly onClose: () => void;
}

/** Asks how much goes back: all that is left, unless another amount is entered. */
export function RefundDialog({ title, to, left, hasFee, onConfirm, onClose }: RefundDialogProps) {
  const { currency } = left;
  const exponent = useExponent(currency) ?? decimalsOf(left.amount);
  const [amount, setAmount] = useState(left.amount);
  const [note, setNote] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const parsed = parseAmount(amount, { currency, exponent });
  const isTooMuch = parsed.ok && toMinor(parsed.amount, exponent) > toMinor(left.amount, exponent);
  const problem = parsed.ok ? (isTooMuch ? `Only ${formatMoney(left, exponent)} of it has not gone back yet.` : null) : problemText(parsed.problem, currency, exponent);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (parsed.ok && !isTooMuch) {
      onConfirm({ amount: { amount: parsed.amount, currency }, description: note.trim() === "" ? null : note.trim() });
    } else {
      field.current?.focus();
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={submit} noValidate>
        <div className="field">
          <label htmlFor="refund-amount">Amount in {currency}</label>
          <input
            ref={field}
            id="refund-amount"
            className="input amount-input"
            inputMode={exponent === 0 ? "numeric" : "decimal"}
            autoComplete="off"
            placeholder={amountPlaceholder(exponent)}
            value={amount}
            aria-invalid={problem !== null}
            aria-describedby="refund-hint"
            onChange={(event) => setAmount(event.target.value)}
          />
          <p id="refund-hint" className={problem === null ? "muted" : "field-problem"}>
            {problem ?? (
              <>
                Up to <MoneyText money={left} />, to <bdi>{to}</bdi>.{hasFee && " The same part of the fee goes back, too."}
              </>
            )}
          </p>
        </div>
        <div className="field">
          <label htmlFor="refund-note">Note (optional)</label>
          <input id="refund-note" className="input" maxLength={lengthLimit(280)} autoComplete="off" value={note} onChange={(event) => setNote(event.target.value)} />
        </div>
        <button type="submit" className="button button-primary">
          {parsed.ok && !isTooMuch ? `Give back ${formatMoney({ amount: parsed.amount, currency }, exponent)}` : "Give back"}
        </button>
      </form>
    </Dialog>
  );
}
