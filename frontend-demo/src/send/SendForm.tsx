import { useRef, useState, type SyntheticEvent } from "react";
import { PricePanel } from "../fx/PricePanel.js";
import { useConfirm } from "../fx/useConfirm.js";
import type { KnownPrice } from "../fx/usePrice.js";
import { newest, useFeed } from "../live/hooks.js";
import { useExponent } from "../money/CurrenciesContext.js";
import { decimalsOf } from "../money/decimal.js";
import { formatMoney } from "../money/format.js";
import { parseAmount } from "../money/input.js";
import { Icon } from "../ui/Icon.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import type { WalletSummary } from "../wallets/queries.js";
import { AmountField } from "./AmountField.js";
import { AmountSide } from "./AmountSide.js";
import { FeeLine } from "./FeeLine.js";
import { FromField } from "./FromField.js";
import { Recipient } from "./Recipient.js";
import { currencyOf, isExchange, problemsOf, type Draft, type Problems } from "./draft.js";
import { maxFeeOf, type Fee } from "./fee.js";
import type { Wanted } from "./useIntent.js";

interface SendFormProps {
  readonly wallets: readonly WalletSummary[];
  readonly from: WalletSummary;
  readonly draft: Draft;
  /** Of what the form asks for, as far as it is known. */
  readonly fee: Fee | null;
  /** If the payment takes an exchange. */
  readonly price: KnownPrice;
  readonly onChange: (draft: Draft) => void;
  /** Send `requests` requests at once, all with one key. */
  readonly onSend: (wanted: Wanted, requests: number) => void;
}

export function SendForm({ wallets, from, draft, fee, price, onChange, onSend }: SendFormProps) {
  const wallet = newest(from, useFeed(from));
  const [isChecked, setIsChecked] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const { notice, confirm, forget } = useConfirm(price);
  const { party, amount, note, side } = draft;
  const currency = currencyOf(draft, wallet);
  const walletExponent = decimalsOf(wallet.balance.amount);
  const exponent = useExponent(currency) ?? walletExponent;
  const parsed = parseAmount(amount, { currency, exponent });
  const isExchanged = isExchange(draft, wallet);
  const quote = price.offer?.quote ?? null;
  const problems = problemsOf(draft, parsed, wallet, walletExponent, { fee, quote });
  const change = (changed: Partial<Draft>): void => {
    forget();
    onChange({ ...draft, ...changed });
  };
  const submit = (requests: number): void => {
    const bad = firstBad(problems);
    setIsChecked(bad.length > 0);
    if (bad.length > 0) {
      const [field] = bad.flatMap((selector) => form.current?.querySelector<HTMLElement>(selector) ?? []);
      field?.focus();
    } else if (parsed.ok && party !== null) {
      const description = note.trim();
      const money = { amount: parsed.amount, currency };
      const wanted = { senderWalletId: wallet.id, receiverWalletId: party.walletId, amount: money, ...(description === "" ? {} : { description }) };
      if (isExchanged) {
        confirm(({ id }) => onSend({ ...wanted, quoteId: id }, requests));
      } else {
        onSend({ ...wanted, ...maxFeeOf(fee) }, requests);
      }
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
        currency={currency}
        exponent={exponent}
        value={amount}
        parsed={parsed}
        fee={fee}
        debited={isExchanged ? (quote?.total.amount ?? null) : fee?.kind === "charged" ? fee.debited.amount : parsed.ok ? parsed.amount : null}
        problem={isChecked || isShownAtOnce(problems.amount) ? problems.amount : null}
        onChange={(value) => change({ amount: value })}
      />
      <FromField wallets={wallets} wallet={wallet} problem={problems.wallet} onChange={(walletId) => change({ walletId, party: null })} />
      <Recipient
        key={wallet.id}
        wallet={wallet}
        chosen={party}
        onChoose={(chosen) => change({ party: chosen, ...(chosen?.currency === wallet.currency ? { side: "source" } : {}) })}
        problem={isChecked && problems.party !== null ? "Choose who gets it." : null}
      />
      {isExchanged && party !== null && (
        <AmountSide side={side} paid={wallet.currency} received={party.currency} receiver={party.displayName} onChange={(chosen) => change({ side: chosen })} />
      )}
      <div className="field">
        <label htmlFor="send-note">
          Note <span className="muted">(optional)</span>
        </label>
        <input id="send-note" className="input" maxLength={lengthLimit(280)} autoComplete="off" value={note} onChange={(event) => change({ note: event.target.value })} />
      </div>
      <FeeLine fee={fee?.kind === "charged" ? fee : null} />
      {isExchanged && party !== null && parsed.ok && <PricePanel price={price} receiver={party.displayName} />}
      {notice !== null && (
        <p className="field-problem" role="alert">
          {notice}
        </p>
      )}
      <div className="form-actions">
        <button type="submit" className="button button-primary">
          <Icon name="send" /> {parsed.ok ? `Send ${formatMoney({ amount: parsed.amount, currency }, exponent)}` : "Send"}
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
