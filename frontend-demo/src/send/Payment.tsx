import { useEffect, useMemo, useRef, useState } from "react";
import { useSearch } from "wouter";
import { useExponent } from "../money/CurrenciesContext.js";
import { decimalsOf, fromMinor } from "../money/decimal.js";
import { parseAmount } from "../money/input.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import type { WalletSummary } from "../wallets/queries.js";
import { Outcome } from "./Outcome.js";
import { SendForm } from "./SendForm.js";
import { draftOf, EMPTY, type Draft } from "./draft.js";
import { newKey } from "./key.js";
import { TRANSFER, WALLET_PARTY, type TransferInput } from "./queries.js";
import { useIntent } from "./useIntent.js";

/** The form, what became of it, and the operations with what the page holds. */
export function Payment({ wallets, first }: { readonly wallets: readonly WalletSummary[]; readonly first: WalletSummary }) {
  const asked = new URLSearchParams(useSearch()).get("from");
  const { state, send, repeat, edit } = useIntent();
  const [draft, setDraft] = useState(EMPTY);
  const [forms, setForms] = useState(0);
  const from = wallets.find(({ id }) => id === (draft.walletId ?? asked)) ?? first;
  const example = useExample(draft, from);
  const start = (next: Draft): void => {
    edit();
    setDraft(next);
    setForms((count) => count + 1);
  };
  useFocusOnReturn(state.phase === "editing");
  const input = state.phase === "editing" ? example : state.input;
  return (
    <>
      {/* It stays as it is typed behind what became of it: a refused payment is changed, not typed anew. */}
      <div hidden={state.phase !== "editing"}>
        <SendForm key={forms} wallets={wallets} from={from} draft={draft} onChange={setDraft} onSend={send} />
      </div>
      {state.phase !== "editing" && (
        <Outcome
          state={state}
          wallets={wallets}
          onRepeat={repeat}
          onEdit={edit}
          onNext={() => start({ ...EMPTY, walletId: draft.walletId })}
          onPayAgain={(answer) => start(draftOf(state.input, answer))}
        />
      )}
      <Operations operations={[operationOf(TRANSFER, { input }), operationOf(WALLET_PARTY, { walletId: input.receiverWalletId })]} />
    </>
  );
}

/** Back in the form, the amount is what is written next. */
function useFocusOnReturn(isEditing: boolean): void {
  const wasEditing = useRef(isEditing);
  useEffect(() => {
    if (isEditing && !wasEditing.current) {
      document.getElementById("send-amount")?.focus();
    }
    wasEditing.current = isEditing;
  }, [isEditing]);
}

/** What the form would send, complete, so that GraphiQL can run it: with a demo user's wallet and one unit where nothing is chosen. */
function useExample({ party, amount, note }: Draft, { id, currency, balance }: WalletSummary): TransferInput {
  const { demo } = useSession();
  const { subject } = useAccount();
  const exponent = useExponent(currency) ?? decimalsOf(balance.amount);
  return useMemo(() => {
    const parsed = parseAmount(amount, { currency, exponent });
    const others = demo?.users.filter((user) => user.subject !== subject).flatMap((user) => user.wallets) ?? [];
    const description = note.trim();
    return {
      // A key of its own: the page's payment has another one, and a key that was used takes no other input.
      idempotencyKey: newKey(),
      senderWalletId: id,
      receiverWalletId: party?.walletId ?? others.find((wallet) => wallet.currency === currency)?.id ?? "wal_…",
      amount: { amount: parsed.ok ? parsed.amount : fromMinor(10n ** BigInt(exponent), exponent), currency },
      ...(description === "" ? {} : { description }),
    };
  }, [party, amount, note, id, currency, exponent, demo, subject]);
}
