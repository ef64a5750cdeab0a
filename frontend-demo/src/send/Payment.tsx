import { useEffect, useMemo, useRef, useState } from "react";
import { useSearch } from "wouter";
import { useHistoryState } from "wouter/use-browser-location";
import { usePrice } from "../fx/usePrice.js";
import { useExponent } from "../money/CurrenciesContext.js";
import { decimalsOf, fromMinor } from "../money/decimal.js";
import { parseAmount, type AmountInput } from "../money/input.js";
import { newKey } from "../paycore-pay/index.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import type { WalletSummary } from "../wallets/queries.js";
import { maxFeeOf } from "./fee.js";
import { Outcome } from "./Outcome.js";
import { SendForm } from "./SendForm.js";
import { currencyOf, draftOf, EMPTY, priceQuestionOf, type Draft } from "./draft.js";
import { draftOfState } from "./payAgain.js";
import { TRANSFER, WALLET_PARTY, type Party, type TransferInput } from "./queries.js";
import { useFee } from "./useFee.js";
import { useIntent, type Wanted } from "./useIntent.js";

interface PaymentProps {
  readonly wallets: readonly WalletSummary[];
  readonly first: WalletSummary;
  /** The recipient that the page's address names. */
  readonly to: Party | null;
}

/** The form, the outcome of the payment, and the page's GraphQL operations with the current values. */
export function Payment({ wallets, first, to }: PaymentProps) {
  const requested = new URLSearchParams(useSearch()).get("from");
  const { state, send, repeat, edit } = useIntent();
  const given = draftOfState(useHistoryState<unknown>());
  const [draft, setDraft] = useState<Draft>(given ?? { ...EMPTY, party: to });
  const [forms, setForms] = useState(0);
  const from = wallets.find(({ id }) => id === (draft.walletId ?? requested)) ?? first;
  const wanted = useWanted(draft, from);
  const fee = useFee(state.phase === "editing" ? wanted : null);
  const parsed = useParsed(draft, from);
  const price = usePrice(state.phase === "editing" ? priceQuestionOf(draft, from, parsed) : null);
  const example = useExample(draft, from, { ...maxFeeOf(fee), ...(price.offer === null ? {} : { quoteId: price.offer.quote.id }) });
  const start = (next: Draft): void => {
    edit();
    setDraft(next);
    setForms((count) => count + 1);
  };
  useFocusOnReturn(state.phase === "editing");
  const input = state.phase === "editing" ? example : state.input;
  return (
    <>
      {/* The form keeps its values while the outcome is shown, so that a refused payment can be changed. */}
      <div hidden={state.phase !== "editing"}>
        <SendForm key={forms} wallets={wallets} from={from} draft={draft} fee={fee} price={price} onChange={setDraft} onSend={send} />
      </div>
      {state.phase !== "editing" && (
        <Outcome
          state={state}
          wallets={wallets}
          onRepeat={repeat}
          onAccept={(changed) => send({ ...state.input, ...changed })}
          onEdit={edit}
          onNext={() => start({ ...EMPTY, walletId: draft.walletId })}
          onPayAgain={(answer) => start(draftOf(state.input, answer))}
        />
      )}
      <Operations operations={[operationOf(TRANSFER, { input }), operationOf(WALLET_PARTY, { walletId: input.receiverWalletId })]} />
    </>
  );
}

/** Focuses the amount when the user returns to the form. */
function useFocusOnReturn(isEditing: boolean): void {
  const wasEditing = useRef(isEditing);
  useEffect(() => {
    if (isEditing && !wasEditing.current) {
      document.getElementById("send-amount")?.focus();
    }
    wasEditing.current = isEditing;
  }, [isEditing]);
}

/** What the form asks for. Null while it is not complete. */
function useWanted({ party, amount, note }: Draft, { id, currency, balance }: WalletSummary): Wanted | null {
  const exponent = useExponent(currency) ?? decimalsOf(balance.amount);
  const parsed = parseAmount(amount, { currency, exponent });
  const description = note.trim();
  return parsed.ok && party?.currency === currency
    ? { senderWalletId: id, receiverWalletId: party.walletId, amount: { amount: parsed.amount, currency }, ...(description === "" ? {} : { description }) }
    : null;
}

/** What was typed, in the currency of its side. */
function useParsed(draft: Draft, from: WalletSummary): AmountInput {
  const currency = currencyOf(draft, from);
  const exponent = useExponent(currency) ?? decimalsOf(from.balance.amount);
  return parseAmount(draft.amount, { currency, exponent });
}

/** A complete input that GraphiQL can run. Fields that the form lacks get a demo user's wallet and an amount of one unit. */
function useExample(draft: Draft, from: WalletSummary, costs: Pick<TransferInput, "maxFee" | "quoteId">): TransferInput {
  const { party, amount, note } = draft;
  const { id, balance } = from;
  const currency = currencyOf(draft, from);
  const { maxFee, quoteId } = costs;
  const { demo } = useSession();
  const { subject } = useAccount();
  const exponent = useExponent(currency) ?? decimalsOf(balance.amount);
  return useMemo(() => {
    const parsed = parseAmount(amount, { currency, exponent });
    const others = demo?.users.filter((user) => user.subject !== subject).flatMap((user) => user.wallets) ?? [];
    const description = note.trim();
    return {
      // Not the key of the page's payment: a used key with another input would be refused.
      idempotencyKey: newKey(),
      senderWalletId: id,
      receiverWalletId: party?.walletId ?? others.find((wallet) => wallet.currency === from.currency)?.id ?? "wal_…",
      amount: { amount: parsed.ok ? parsed.amount : fromMinor(10n ** BigInt(exponent), exponent), currency },
      ...(description === "" ? {} : { description }),
      ...(maxFee === undefined ? {} : { maxFee }),
      ...(quoteId === undefined ? {} : { quoteId }),
    };
  }, [party, amount, note, id, currency, from.currency, exponent, demo, subject, maxFee, quoteId]);
}
