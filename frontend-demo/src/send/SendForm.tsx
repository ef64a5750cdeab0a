import { useRef, useState, type SyntheticEvent } from "react";
import { newest, useFeed } from "../live/hooks.js";
import { useExponent } from "../money/CurrenciesContext.js";
import { decimalsOf } from "../money/decimal.js";
import { formatMoney } from "../money/format.js";
import { parseAmount } from "../money/input.js";
import { Icon } from "../ui/Icon.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import type { WalletSummary } from "../wallets/queries.js";
import { AmountField } from "./AmountField.js";
import { FeeLine } from "./FeeLine.js";
import { Recipient } from "./Recipient.js";
import { problemsOf, type Draft, type Problems } from "./draft.js";
import { maxFeeOf, type Fee } from "./fee.js";
import type { Wanted } from "./useIntent.js";

interface SendFormProps {
  readonly wallets: readonly WalletSummary[];
  readonly from: WalletSummary;
  readonly draft: Draft;
  /** Of what the form asks for, as far as it is known. */
  readonly fee: Fee | null;
  readonly onChange: (draft: Draft) => void;
  /** Send `requests` requests at once, all with one key. */
  readonly onSend: (wanted: Wanted, requests: number) => void;
}

export function SendForm({ wallets, from, draft, fee, onChange, onSend }: SendFormProps) {
  const wallet = newest(from, useFeed(from));
  const [isChecked, setIsChecked] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const exponent = useExponent(wallet.currency) ?? decimalsOf(wallet.balance.amount);
  const { party, amount, note } = draft;
  const parsed = parseAmount(amount, { currency: wallet.currency, exponent });
  const problems = problemsOf(parsed, wallet, party, exponent, fee);
  const submit = (requests: number): void => {
    const bad = firstBad(problems);
    setIsChecked(bad.length > 0);
    if (bad.length > 0) {
      const [field] = bad.flatMap((selector) => form.current?.querySelector<HTMLElement>(selector) ?? []);
      field?.focus();
    } else if (parsed.ok && party !== null) {
      const description = note.trim();
      const money = { amount: parsed.amount, currency: wallet.currency };
      const wanted = { senderWalletId: wallet.id, receiverWalletId: party.walletId, amount: money, ...(description === "" ? {} : { description }) };
      onSend({ ...wanted, ...maxFeeOf(fee) }, requests);
    }
  };
  const onSubmit = (event: SyntheticEvent): void => {
    event.preventDefault();
    submit(1);
  };
  return (
    <form ref={form} className="card stack" onSubmit={onSubmit} noValidate>
      <AmountField
        available={wallet.available}
        exponent={exponent}
        value={amount}
        parsed={parsed}
        fee={fee}
        problem={isChecked || isShownAtOnce(problems.amount) ? problems.amount : null}
        onChange={(value) => onChange({ ...draft, amount: value })}
      />
      <FromField wallets={wallets} wallet={wallet} problem={problems.wallet} onChange={(walletId) => onChange({ ...draft, walletId, party: null })} />
      <Recipient
        key={wallet.id}
        wallet={wallet}
        chosen={party}
        onChoose={(chosen) => onChange({ ...draft, party: chosen })}
        problem={isChecked && problems.party !== null ? "Choose who gets it." : null}
      />
      <div className="field">
        <label htmlFor="send-note">
          Note <span className="muted">(optional)</span>
        </label>
        <input id="send-note" className="input" maxLength={lengthLimit(280)} autoComplete="off" value={note} onChange={(event) => onChange({ ...draft, note: event.target.value })} />
      </div>
      <FeeLine fee={fee?.kind === "charged" ? fee : null} />
      <div className="form-actions">
        <button type="submit" className="button button-primary">
          <Icon name="send" /> {parsed.ok ? `Send ${formatMoney({ amount: parsed.amount, currency: wallet.currency }, exponent)}` : "Send"}
        </button>
      </div>
      <details className="developer">
        <summary>Developer</summary>
        <p className="muted">Two requests at once, with one idempotency key: one pays, and the other is told of it.</p>
        <button type="button" className="button" onClick={() => submit(2)}>
          <Icon name="repeat" /> Send it twice with one key
        </button>
      </details>
    </form>
  );
}

/** These are about a whole amount. The others may be about one that is not typed to its end. */
function isShownAtOnce(problem: Problems["amount"]): boolean {
  return problem === "more-than-available" || problem === "more-than-available-with-fee" || problem === "fee-exceeds-amount";
}

/** Where to find the first invalid field, in the order of the form. Empty if all fields are valid. */
function firstBad({ amount, wallet, party }: Problems): readonly string[] {
  if (amount !== null) {
    return ["#send-amount"];
  }
  if (wallet !== null) {
    return ["#send-from"];
  }
  return party === null ? [] : [".recipients button", "#send-to", ".recipients input"];
}

interface FromFieldProps {
  readonly wallets: readonly WalletSummary[];
  readonly wallet: WalletSummary;
  readonly problem: Problems["wallet"];
  readonly onChange: (walletId: string) => void;
}

function FromField({ wallets, wallet, problem, onChange }: FromFieldProps) {
  return (
    <div className="field">
      <label htmlFor="send-from">From</label>
      <select
        id="send-from"
        className="select"
        value={wallet.id}
        aria-invalid={problem !== null}
        aria-describedby="send-from-problem"
        onChange={(event) => onChange(event.target.value)}
      >
        {wallets.map(({ id, name, currency }) => (
          <option key={id} value={id}>
            {name} · {currency}
          </option>
        ))}
      </select>
      <p id="send-from-problem" className="field-problem" hidden={problem === null}>
        “{wallet.name}” is {problem === "CLOSED" ? "closed" : "frozen"}: nothing can be sent from it. Choose another wallet.
      </p>
    </div>
  );
}
