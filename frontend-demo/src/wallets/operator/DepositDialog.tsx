import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { useExponent } from "../../money/CurrenciesContext.js";
import { decimalsOf } from "../../money/decimal.js";
import { formatMoney } from "../../money/format.js";
import { amountPlaceholder, parseAmount } from "../../money/input.js";
import { MoneyText } from "../../money/Money.js";
import { problemText } from "../../send/AmountField.js";
import { Dialog } from "../../ui/Dialog.js";
import { lengthLimit } from "../../ui/lengthLimit.js";
import type { OperatedWallet } from "./OperatorCard.js";
import type { WantedDeposit } from "./useDeposit.js";

interface DepositDialogProps {
  readonly wallet: OperatedWallet;
  readonly onConfirm: (wanted: WantedDeposit) => void;
  readonly onClose: () => void;
}

/** Asks for an amount, then shows whose wallet gets it before anything is sent. */
export function DepositDialog({ wallet, onConfirm, onClose }: DepositDialogProps) {
  const [draft, setDraft] = useState({ amount: "", description: "" });
  const [wanted, setWanted] = useState<WantedDeposit | null>(null);
  return (
    <Dialog title={`Deposit into “${wallet.name}”`} onClose={onClose}>
      {wanted === null ? (
        <DepositForm wallet={wallet} draft={draft} onChange={setDraft} onContinue={setWanted} />
      ) : (
        <Confirmation wallet={wallet} wanted={wanted} onConfirm={() => onConfirm(wanted)} onChange={() => setWanted(null)} />
      )}
    </Dialog>
  );
}

interface Draft {
  readonly amount: string;
  readonly description: string;
}

interface DepositFormProps {
  readonly wallet: OperatedWallet;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly onContinue: (wanted: WantedDeposit) => void;
}

function DepositForm({ wallet: { balance }, draft, onChange, onContinue }: DepositFormProps) {
  const { currency } = balance;
  const exponent = useExponent(currency) ?? decimalsOf(balance.amount);
  const [isTried, setIsTried] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const parsed = parseAmount(draft.amount, { currency, exponent });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setIsTried(true);
    if (parsed.ok) {
      const description = draft.description.trim();
      onContinue({ amount: { amount: parsed.amount, currency }, description: description === "" ? null : description });
    } else {
      field.current?.focus();
    }
  };
  const hasProblem = isTried && !parsed.ok;
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="field">
        <label htmlFor="deposit-amount">Amount in {currency}</label>
        <input
          ref={field}
          id="deposit-amount"
          className="input amount-input"
          inputMode={exponent === 0 ? "numeric" : "decimal"}
          autoComplete="off"
          placeholder={amountPlaceholder(exponent)}
          value={draft.amount}
          aria-invalid={hasProblem}
          aria-describedby="deposit-hint"
          onChange={(event) => onChange({ ...draft, amount: event.target.value })}
        />
        <p id="deposit-hint" className={hasProblem ? "field-problem" : "muted"}>
          {parsed.ok ? (
            <>
              <MoneyText money={{ amount: parsed.amount, currency }} /> from the system’s deposit wallet.
            </>
          ) : hasProblem ? (
            problemText(parsed.problem, currency, exponent)
          ) : (
            "It comes from the system’s deposit wallet."
          )}
        </p>
      </div>
      <div className="field">
        <label htmlFor="deposit-description">Description (optional)</label>
        <input id="deposit-description" className="input" maxLength={lengthLimit(280)} autoComplete="off" value={draft.description} onChange={(event) => onChange({ ...draft, description: event.target.value })} />
      </div>
      <button type="submit" className="button button-primary">
        Continue
      </button>
    </form>
  );
}

interface ConfirmationProps {
  readonly wallet: OperatedWallet;
  readonly wanted: WantedDeposit;
  readonly onConfirm: () => void;
  readonly onChange: () => void;
}

function Confirmation({ wallet: { name, owner, balance }, wanted: { amount, description }, onConfirm, onChange }: ConfirmationProps) {
  const text = useRef<HTMLParagraphElement>(null);
  const exponent = useExponent(amount.currency) ?? decimalsOf(amount.amount);
  // Not the button: the Enter that led here, held down, would press it.
  useEffect(() => text.current?.focus(), []);
  return (
    <div className="stack">
      <p ref={text} tabIndex={-1}>
        Deposit <strong><MoneyText money={amount} /></strong> into “{name}” of <strong>{owner?.displayName ?? "the system"}</strong>?
      </p>
      <p className="muted">
        Its balance is <MoneyText money={balance} />.{description !== null && ` Description: ${description}`}
      </p>
      <div className="form-actions">
        <button type="button" className="button button-primary" onClick={onConfirm}>
          Yes, deposit {formatMoney(amount, exponent)}
        </button>
        <button type="button" className="button" onClick={onChange}>
          Change it
        </button>
      </div>
    </div>
  );
}
