import "./refund.css";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { isZero } from "../../money/decimal.js";
import { MoneyText } from "../../money/Money.js";
import { refusalText } from "../../send/refusals.js";
import { useAccount } from "../../session/AccountContext.js";
import { StatusBadge } from "../../ui/Badge.js";
import { Icon } from "../../ui/Icon.js";
import { OutcomeBox } from "../../ui/OutcomeBox.js";
import { formatExact } from "../../ui/time.js";
import type { LoadedTransaction } from "../queries.js";
import { isBetweenOwn } from "../title.js";
import { RefundDialog } from "./RefundDialog.js";
import { useRefund, type RefundState } from "./useRefund.js";

interface ReversalsProps {
  readonly transaction: LoadedTransaction;
  /** Load the transaction again: more of it has gone back. */
  readonly onChange: () => void;
}

/** What its receiver may give back; of a conversion, not one between their own wallets. */
const BY_RECEIVER = new Set(["TRANSFER", "CAPTURE", "CONVERSION"]);

/** What of a transfer, capture or deposit has gone back, and the button that gives back the rest. */
export function Reversals({ transaction, onChange }: ReversalsProps) {
  const { isAdmin } = useAccount();
  const { id, type, sender, receiver, amount, reversed, reversible, reversals, fees, conversion } = transaction;
  const { state, refund, retry, clear } = useRefund(id, isAdmin ? "OTHER" : "REFUND");
  const [isOpen, setOpen] = useState(false);
  const settled = state.phase === "settled" ? state.transaction.id : null;
  useEffect(() => {
    if (settled !== null) {
      onChange();
    }
  }, [settled, onChange]);
  const isBusy = state.phase === "sending" || state.phase === "unknown";
  const mayGiveBack = !isZero(reversible.amount) && receiver?.wallet != null && (isAdmin || BY_RECEIVER.has(type)) && (isAdmin || !isBetweenOwn(transaction) || type !== "CONVERSION");
  const items = reversals.edges.map(({ node }) => node);
  if (items.length === 0 && !mayGiveBack && state.phase === "draft") {
    return null;
  }
  return (
    <section className="card stack" aria-labelledby="reversals">
      <h2 id="reversals">Given back</h2>
      <p>
        <MoneyText money={reversed} /> of <MoneyText money={amount} />
      </p>
      {items.length > 0 && (
        <ul className="reversals">
          {items.map((one) => (
            <li key={one.id}>
              <Link href={`/transactions/${one.id}`}>
                <MoneyText money={one.amount} />
              </Link>
              <StatusBadge status={one.status} />
              <time className="muted" dateTime={one.createdAt}>
                {formatExact(one.createdAt)}
              </time>
            </li>
          ))}
        </ul>
      )}
      {reversals.pageInfo.hasNextPage && <p className="muted">And more: these are the newest 20.</p>}
      <OutcomeBox state={state} onRetry={retry} onDone={clear}>
        <Words state={state} />
      </OutcomeBox>
      {mayGiveBack && !isBusy && (
        <div className="form-actions">
          <button type="button" className="button" onClick={() => setOpen(true)}>
            <Icon name="repeat" /> {isAdmin ? "Reverse" : "Refund"}
          </button>
        </div>
      )}
      {isOpen && (
        <RefundDialog
          title={isAdmin ? "Reverse this transaction" : "Refund this payment"}
          to={sender?.displayName ?? "the sender"}
          left={reversible}
          hasFee={fees.length > 0}
          exchanged={conversion === null ? null : { sold: conversion.sold, bought: conversion.bought, reversed }}
          onClose={() => setOpen(false)}
          onConfirm={(wanted) => {
            setOpen(false);
            clear();
            refund(wanted);
          }}
        />
      )}
    </section>
  );
}

function Words({ state }: { readonly state: RefundState }) {
  switch (state.phase) {
    case "draft":
      return state.trouble === null ? null : <p className="field-problem">Not given back. {state.trouble.message}</p>;
    case "sending":
      return (
        <p>
          Giving back <MoneyText money={state.input.amount} />
          {state.tries > 1 ? `; try ${state.tries}, with the same key` : ""}…
        </p>
      );
    case "unknown":
      return (
        <p>
          <Icon name="alert" /> It is not known yet whether <MoneyText money={state.input.amount} /> went back. {state.trouble.message} Sending it again with the
          same key is safe: it can only go back once.{state.retryAt === null ? "" : " This page tries again by itself."}
        </p>
      );
    case "settled":
      return (
        <p>
          <Icon name="check" /> <MoneyText money={state.transaction.amount} /> went back
          {state.replayed ? ". This is the first answer again; nothing moved twice." : "."} <Link href={`/transactions/${state.transaction.id}`}>See the transaction</Link>
        </p>
      );
    case "refused":
      return <p className="field-problem">Refused: nothing moved. {state.refusals.map(refusalText).join(" ")}</p>;
  }
}
