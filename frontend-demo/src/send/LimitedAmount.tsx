import { useState, type ReactNode, type RefObject } from "react";
import { useExponent } from "../money/CurrenciesContext.js";
import { decimalsOf, toMinor } from "../money/decimal.js";
import { formatMoney, type Money } from "../money/format.js";
import { amountPlaceholder, parseAmount, typedAmount } from "../money/input.js";
import { problemText } from "./AmountField.js";

export interface LimitedAmount {
  readonly currency: string;
  readonly exponent: number;
  readonly value: string;
  readonly enter: (value: string) => void;
  /** Null while what is entered is not an amount up to the limit. */
  readonly money: Money | null;
  readonly problem: string | null;
}

/** An amount that is entered, at first `start`, and at most `limit`. `tooMuch` says what is wrong with more. */
export function useLimitedAmount(limit: Money, start: Money, tooMuch: (limit: string) => string): LimitedAmount {
  const { currency } = limit;
  const exponent = useExponent(currency) ?? decimalsOf(limit.amount);
  const [value, enter] = useState(() => typedAmount(start.amount));
  const parsed = parseAmount(value, { currency, exponent });
  if (!parsed.ok) {
    return { currency, exponent, value, enter, money: null, problem: problemText(parsed.problem, currency, exponent) };
  }
  const isTooMuch = toMinor(parsed.amount, exponent) > toMinor(limit.amount, exponent);
  return {
    currency,
    exponent,
    value,
    enter,
    money: isTooMuch ? null : { amount: parsed.amount, currency },
    problem: isTooMuch ? tooMuch(formatMoney(limit, exponent)) : null,
  };
}

interface LimitedAmountFieldProps {
  readonly id: string;
  readonly entry: LimitedAmount;
  readonly field?: RefObject<HTMLInputElement | null>;
  /** What is said below the field while the amount is good. */
  readonly hint: ReactNode;
}

export function LimitedAmountField({ id, entry, field, hint }: LimitedAmountFieldProps) {
  const { currency, exponent, value, enter, problem } = entry;
  return (
    <div className="field">
      <label htmlFor={id}>Amount in {currency}</label>
      <input
        ref={field}
        id={id}
        className="input amount-input"
        inputMode={exponent === 0 ? "numeric" : "decimal"}
        autoComplete="off"
        placeholder={amountPlaceholder(exponent)}
        value={value}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-hint`}
        onChange={(event) => enter(event.target.value)}
      />
      <p id={`${id}-hint`} className={problem === null ? "muted" : "field-problem"}>
        {problem ?? hint}
      </p>
    </div>
  );
}
