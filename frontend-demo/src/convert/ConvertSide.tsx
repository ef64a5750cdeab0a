import type { ReactNode } from "react";
import type { Side } from "../fx/usePrice.js";
import { amountPlaceholder } from "../money/input.js";
import type { WalletSummary } from "../wallets/queries.js";

interface ConvertSideProps {
  readonly side: Side;
  readonly wallet: WalletSummary;
  readonly wallets: readonly WalletSummary[];
  readonly exponent: number;
  readonly value: string;
  readonly problem: string | null;
  /** What is said below the amount while it can be read. */
  readonly hint: ReactNode;
  readonly onType: (value: string) => void;
  readonly onWallet: (walletId: string) => void;
}

const WORDS = { source: { wallet: "From", amount: "You pay" }, target: { wallet: "To", amount: "You get" } } as const;

/** The id of a side's amount field. */
export function amountFieldOf(side: Side): string {
  return `convert-${side}-amount`;
}

/** One side of a conversion: the wallet, and the amount that leaves or enters it. */
export function ConvertSide({ side, wallet, wallets, exponent, value, problem, hint, onType, onWallet }: ConvertSideProps) {
  const [walletField, amountField] = [`convert-${side}-wallet`, amountFieldOf(side)];
  return (
    <div className="convert-side">
      <div className="field">
        <label htmlFor={walletField}>{WORDS[side].wallet}</label>
        <select id={walletField} className="select" value={wallet.id} onChange={(event) => onWallet(event.target.value)}>
          {wallets.map(({ id, name, currency }) => (
            <option key={id} value={id}>
              {name} · {currency}
            </option>
          ))}
        </select>
      </div>
      <div className="field">
        <label htmlFor={amountField}>{WORDS[side].amount}</label>
        <div className="amount-field">
          <input
            id={amountField}
            className="input amount-input"
            inputMode={exponent === 0 ? "numeric" : "decimal"}
            autoComplete="off"
            placeholder={amountPlaceholder(exponent)}
            value={value}
            aria-invalid={problem !== null}
            aria-describedby={`${amountField}-hint`}
            onChange={(event) => onType(event.target.value)}
          />
          <span className="amount-currency">{wallet.currency}</span>
        </div>
        <p id={`${amountField}-hint`} className="convert-hint">
          {problem === null ? hint : <span className="field-problem">{problem}</span>}
        </p>
      </div>
    </div>
  );
}
