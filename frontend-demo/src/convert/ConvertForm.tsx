import "./convert.css";
import { useState, type SyntheticEvent } from "react";
import { PricePanel } from "../fx/PricePanel.js";
import { CONVERT, CREATE_FX_QUOTE, type Quote } from "../fx/queries.js";
import { useConfirm } from "../fx/useConfirm.js";
import { usePrice, type PriceQuestion, type Side } from "../fx/usePrice.js";
import { newest, useFeed } from "../live/hooks.js";
import { useExponent } from "../money/CurrenciesContext.js";
import { decimalsOf, fromMinor } from "../money/decimal.js";
import { formatMoney } from "../money/format.js";
import { typedAmount } from "../money/input.js";
import { MoneyText } from "../money/Money.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { problemText } from "../send/AmountField.js";
import { unaffordable } from "../send/draft.js";
import { Icon } from "../ui/Icon.js";
import type { WalletSummary } from "../wallets/queries.js";
import { amountFieldOf, ConvertSide } from "./ConvertSide.js";
import { parsedOf, questionOf, swapped, type ConvertDraft, type Pair } from "./draft.js";

interface ConvertFormProps {
  readonly pair: Pair;
  readonly draft: ConvertDraft;
  /** Whether the form is shown, and its price kept fresh. */
  readonly isEditing: boolean;
  readonly onChange: (draft: ConvertDraft) => void;
  readonly onConvert: (quote: Quote) => void;
}

export function ConvertForm({ pair, draft, isEditing, onChange, onConvert }: ConvertFormProps) {
  const { source: queried, target } = pair;
  const source = newest(queried, useFeed(queried));
  const exponents = { source: useExponentOf(source), target: useExponentOf(target) };
  const parsed = parsedOf(draft, pair, exponents[draft.side]);
  const question = questionOf(draft, pair, parsed);
  const price = usePrice(isEditing ? question : null);
  const quote = price.offer?.quote ?? null;
  const [isChecked, setIsChecked] = useState(false);
  const { notice, confirm, forget } = useConfirm(price);
  const unreadable = parsed.ok ? null : parsed.problem;
  const paid = draft.side === "source" && parsed.ok ? parsed.amount : null;
  const tooMuch = unaffordable(paid, source.available.amount, exponents.source, { fee: null, quote });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const isBad = unreadable !== null || tooMuch !== null;
    setIsChecked(isBad);
    if (isBad) {
      document.getElementById(amountFieldOf(draft.side))?.focus();
    } else {
      confirm(onConvert);
    }
  };
  const change = (next: ConvertDraft): void => {
    forget();
    onChange(next);
  };
  const side = (of: Side) => ({
    side: of,
    exponent: exponents[of],
    value: draft.side === of ? draft.amount : quote === null ? "" : typedAmount(quote[of].amount),
    problem: isChecked && draft.side === of && unreadable !== null ? problemText(unreadable, pair[of].currency, exponents[of]) : null,
    onType: (amount: string) => change({ ...draft, side: of, amount }),
  });
  return (
    <>
      <form className="card stack convert" hidden={!isEditing} onSubmit={submit} noValidate>
        <ConvertSide
          {...side("source")}
          wallet={source}
          wallets={pair.sources}
          hint={
            tooMuch === null ? (
              <span className="muted">
                Available: <MoneyText money={source.available} />
              </span>
            ) : (
              <span className="field-problem">
                {problemText(tooMuch, source.currency, exponents.source)}
                <MoneyText money={source.available} />
              </span>
            )
          }
          onWallet={(sourceId) => change({ ...draft, sourceId })}
        />
        <button type="button" className="icon-button convert-swap" aria-label="Swap the two wallets" title="Swap the two wallets" onClick={() => change(swapped(draft, pair))}>
          <Icon name="swap" />
        </button>
        <ConvertSide {...side("target")} wallet={target} wallets={pair.targets} hint={null} onWallet={(targetId) => change({ ...draft, targetId })} />
        {question !== null && <PricePanel price={price} receiver={null} />}
        {notice !== null && (
          <p className="field-problem" role="alert">
            {notice}
          </p>
        )}
        <div className="form-actions">
          <button type="submit" className="button button-primary">
            <Icon name="swap" />{" "}
            {quote === null ? "Convert" : `Convert ${formatMoney(quote.source, exponents.source)} to ${formatMoney(quote.target, exponents.target)}`}
          </button>
        </div>
      </form>
      <Operations operations={operationsOf(pair, question, quote, exponents.source)} />
    </>
  );
}

function useExponentOf({ currency, balance }: WalletSummary): number {
  return useExponent(currency) ?? decimalsOf(balance.amount);
}

/** What the page sends, with keys that it does not use itself. */
function operationsOf({ source, target }: Pair, question: PriceQuestion | null, quote: Quote | null, exponent: number) {
  const amount = question?.amount ?? { amount: fromMinor(10n ** BigInt(exponent), exponent), currency: source.currency };
  const fixed = question?.side === "target" ? { target: amount } : { source: amount };
  const asked = { idempotencyKey: "my-quote-1", from: source.currency, to: target.currency, amount: fixed };
  const wanted = { idempotencyKey: "my-conversion-1", quoteId: quote?.id ?? "fxq_…", sourceWalletId: source.id, targetWalletId: target.id };
  return [operationOf(CREATE_FX_QUOTE, { input: asked }), operationOf(CONVERT, { input: wanted })];
}
