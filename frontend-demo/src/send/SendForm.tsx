import { useState, type SyntheticEvent } from "react";
import { newest, useFeed } from "../live/hooks.js";
import { useExponent } from "../money/CurrenciesContext.js";
import { MoneyText } from "../money/Money.js";
import { decimalsOf } from "../money/decimal.js";
import { formatMoney } from "../money/format.js";
import { amountPlaceholder, parseAmount, type AmountInput } from "../money/input.js";
import { Icon } from "../ui/Icon.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import type { WalletSummary } from "../wallets/queries.js";
import { Recipient } from "./Recipient.js";
import type { Party } from "./queries.js";
import type { Wanted } from "./useIntent.js";

interface SendFormProps {
  readonly wallets: readonly WalletSummary[];
  readonly from: string | null;
  /** Send it, so many times at once with one key. */
  readonly onSend: (wanted: Wanted, requests: number) => void;
}

export function SendForm({ wallets, from, onSend }: SendFormProps) {
  const [walletId, setWalletId] = useState(wallets.find(({ id }) => id === from)?.id ?? wallets[0]?.id);
  const wallet = wallets.find(({ id }) => id === walletId);
  const [party, setParty] = useState<Party | null>(null);
  const [amount, setAmount] = useState("");
  const [description, setDescription] = useState("");
  const [isChecked, setIsChecked] = useState(false);
  const exponent = useExponent(wallet?.currency ?? "") ?? decimalsOf(wallet?.balance.amount ?? "0");
  if (wallet === undefined) {
    return null;
  }
  const parsed = parseAmount(amount, exponent);
  const submit = (requests: number): void => {
    setIsChecked(true);
    if (parsed.ok && party !== null) {
      setIsChecked(false);
      const money = { amount: parsed.amount, currency: wallet.currency };
      const note = description.trim();
      onSend(
        { senderWalletId: wallet.id, receiverWalletId: party.walletId, amount: money, ...(note === "" ? {} : { description: note }) },
        requests,
      );
    }
  };
  const onSubmit = (event: SyntheticEvent): void => {
    event.preventDefault();
    submit(1);
  };
  return (
    <form className="card stack" onSubmit={onSubmit} noValidate>
      <div className="field">
        <label htmlFor="send-from">From</label>
        <select
          id="send-from"
          className="select"
          value={wallet.id}
          onChange={(event) => {
            setWalletId(event.target.value);
            setParty(null);
          }}
        >
          {wallets.map(({ id, name, currency }) => (
            <option key={id} value={id}>
              {name} · {currency}
            </option>
          ))}
        </select>
        <Available wallet={wallet} />
      </div>
      <Recipient key={wallet.id} wallet={wallet} chosen={party} onChoose={setParty} problem={isChecked && party === null ? "Choose who gets it." : null} />
      <AmountField
        currency={wallet.currency}
        exponent={exponent}
        value={amount}
        problem={isChecked && !parsed.ok ? parsed.problem : null}
        onChange={setAmount}
      />
      <div className="field">
        <label htmlFor="send-note">
          Note <span className="muted">(optional)</span>
        </label>
        <input id="send-note" className="input" maxLength={lengthLimit(280)} autoComplete="off" value={description} onChange={(event) => setDescription(event.target.value)} />
      </div>
      <div className="form-actions">
        <button type="submit" className="button button-primary">
          <Icon name="send" /> {parsed.ok ? `Send ${formatMoney({ amount: parsed.amount, currency: wallet.currency }, exponent)}` : "Send"}
        </button>
        <button type="button" className="button" onClick={() => submit(2)} title="Two requests at once, with one idempotency key">
          <Icon name="repeat" /> Send it twice with one key
        </button>
      </div>
    </form>
  );
}

function Available({ wallet }: { readonly wallet: WalletSummary }) {
  const { available } = newest(wallet, useFeed(wallet));
  return (
    <p className="muted">
      Available: <MoneyText money={available} />
    </p>
  );
}

type Problem = Extract<AmountInput, { readonly ok: false }>["problem"];

interface AmountFieldProps {
  readonly currency: string;
  readonly exponent: number;
  readonly value: string;
  readonly problem: Problem | null;
  readonly onChange: (value: string) => void;
}

function AmountField({ currency, exponent, value, problem, onChange }: AmountFieldProps) {
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
        {problem === null ? decimalsHint(currency, exponent) : problemText(problem, currency, exponent)}
      </p>
    </div>
  );
}

function decimalsHint(currency: string, exponent: number): string {
  return exponent === 0 ? `${currency} has no decimals.` : `${currency} has ${exponent} decimals.`;
}

function problemText(problem: Problem, currency: string, exponent: number): string {
  const texts: Readonly<Record<Problem, string>> = {
    empty: "How much is it?",
    "no-number": `Write digits only, such as ${amountPlaceholder(exponent)}, without thousands separators.`,
    "too-many-decimals": `Too many decimals: ${decimalsHint(currency, exponent)}`,
    "not-positive": "It has to be more than zero.",
    "too-large": "That is more than the ledger can hold.",
  };
  return texts[problem];
}
