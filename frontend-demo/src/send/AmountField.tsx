import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import { MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { amountPlaceholder, type AmountInput } from "../money/input.js";
import type { AmountProblem } from "./draft.js";
import type { Fee } from "./fee.js";

interface AmountFieldProps {
  readonly available: Money;
  /** The currency of the amount, which an exchange may fix on the other side, and its number of decimals. */
  readonly currency: string;
  readonly exponent: number;
  readonly value: string;
  readonly parsed: AmountInput;
  readonly problem: AmountProblem | null;
  readonly fee: Fee | null;
  /** What leaves the wallet, as far as it is known. */
  readonly debited: string | null;
  readonly onChange: (value: string) => void;
}

/** The amount field with the parsed amount and the balance after the payment. */
export function AmountField({ available, currency, exponent, value, parsed, problem, fee, debited, onChange }: AmountFieldProps) {
  const decimals = decimalsOf(available.amount);
  const after = debited === null ? null : fromMinor(toMinor(available.amount, decimals) - toMinor(debited, decimals), decimals);
  const isTooMuch = problem === "more-than-available" || problem === "more-than-available-with-fee";
  return (
    <div className="field">
      <label htmlFor="send-amount">Amount</label>
      <div className="amount-field">
        <input
          id="send-amount"
          className="input amount-input"
          inputMode={exponent === 0 ? "numeric" : "decimal"}
          autoComplete="off"
          placeholder={amountPlaceholder(exponent)}
          value={value}
          aria-invalid={problem !== null}
          aria-describedby="send-amount-hint"
          onChange={(event) => onChange(event.target.value)}
        />
        <span className="amount-currency">{currency}</span>
      </div>
      <p id="send-amount-hint" className={problem === null ? "muted" : "field-problem"}>
        {problem !== null && problemText(problem, isTooMuch ? available.currency : currency, exponent)}
        {isTooMuch && <MoneyText money={available} />}
        {problem === "fee-exceeds-amount" && fee !== null && <MoneyText money={fee.fee} />}
        {problem === null && parsed.ok && currency === available.currency && (
          <>
            You send <MoneyText money={{ amount: parsed.amount, currency }} />.{" "}
          </>
        )}
        {problem === null && (
          <>
            {parsed.ok && after !== null ? "Balance after: " : "Available: "}
            <MoneyText money={parsed.ok && after !== null ? { amount: after, currency: available.currency } : available} />
          </>
        )}
      </p>
    </div>
  );
}

/** What to do about an amount that cannot be read or sent. */
export function problemText(problem: AmountProblem, currency: string, exponent: number): string {
  const texts: Readonly<Record<AmountProblem, string>> = {
    empty: "How much is it?",
    "no-number": `Write an amount, such as ${amountPlaceholder(exponent)}.`,
    "other-currency": `This wallet pays in ${currency}. Write the amount in ${currency}, or choose another wallet.`,
    ambiguous: `Is this a thousand or a fraction? Write it as ${amountPlaceholder(exponent)}, without thousands separators.`,
    "too-many-decimals": exponent === 0 ? `Too many decimals: ${currency} has none.` : `Too many decimals: ${currency} has at most ${exponent}.`,
    "not-positive": "It has to be more than zero.",
    "too-large": "That is more than the ledger can hold.",
    "more-than-available": "This is more than the wallet has. Available: ",
    "more-than-available-with-fee": "With its fee this is more than the wallet has. Available: ",
    "fee-exceeds-amount": "The fee would leave the recipient nothing. Send more than the fee, which is ",
  };
  return texts[problem];
}
