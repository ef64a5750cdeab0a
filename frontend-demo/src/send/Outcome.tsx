import { useEffect, useRef } from "react";
import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { CopyableId } from "../ui/Copy.js";
import { Icon, type IconName } from "../ui/Icon.js";
import { useSecondsUntil } from "../ui/useSecondsUntil.js";
import type { WalletSummary } from "../wallets/queries.js";
import { FeeLine } from "./FeeLine.js";
import { NewPrice } from "./NewPrice.js";
import { Receipt } from "./Receipt.js";
import type { Attempt, Done } from "./attempt.js";
import type { TransferInput } from "./queries.js";
import { refusalText } from "./refusals.js";
import { useFee } from "./useFee.js";
import type { IntentState } from "./useIntent.js";

type Open = Exclude<IntentState, { readonly phase: "editing" }>;

interface OutcomeProps {
  readonly state: Open;
  readonly wallets: readonly WalletSummary[];
  readonly onRepeat: () => void;
  /** The same payment for another fee or at another price. A key that is unused is used again. */
  readonly onAccept: (changed: { readonly maxFee: Money } | { readonly quoteId: string }) => void;
  /** Back to the form with its values. */
  readonly onEdit: () => void;
  /** To an empty form. */
  readonly onNext: () => void;
  /** To a form with the same payment, which gets a new key. */
  readonly onPayAgain: (answer: Done) => void;
}

/** The state of a payment, by the service's answers only. */
export function Outcome({ state, wallets, onRepeat, onAccept, onEdit, onNext, onPayAgain }: OutcomeProps) {
  const section = useFocusHere(state.phase);
  const wallet = wallets.find(({ id }) => id === state.input.senderWalletId);
  const done = state.phase === "settled" ? state.answers.find((answer) => answer.kind === "done") : undefined;
  const newFee = state.phase === "settled" && done === undefined ? newFeeOf(state.answers) : null;
  const isPriceOver = state.phase === "settled" && done === undefined && state.answers.some(needsPrice);
  const hasOffer = newFee !== null || (isPriceOver && wallet !== undefined);
  return (
    <section ref={section} tabIndex={-1} className="card stack outcome" aria-label="This payment" aria-live="polite">
      {state.phase === "sending" && (
        <Headline tone="plain" icon="send" title="Sending…">
          <p className="muted">
            <MoneyText money={state.input.amount} /> is on its way{state.tries > 1 ? `; try ${state.tries}, with the same key` : ""}.
          </p>
        </Headline>
      )}
      {state.phase === "unknown" && <Unknown state={state} onRepeat={onRepeat} />}
      {state.phase === "settled" &&
        state.answers.map((answer, index) => <Answer key={index} answer={answer} number={state.answers.length > 1 ? index + 1 : null} />)}
      <Receipt input={state.input} wallet={wallet} transaction={done?.transaction ?? null} />
      {newFee !== null && <NewFee key={newFee.amount} input={state.input} refused={newFee} onAccept={(maxFee) => onAccept({ maxFee })} />}
      {isPriceOver && wallet !== undefined && <NewPrice input={state.input} from={wallet.currency} onAccept={(quoteId) => onAccept({ quoteId })} />}
      {state.phase === "settled" && (
        <div className="form-actions">
          {done === undefined ? (
            <button type="button" className={hasOffer ? "button" : "button button-primary"} onClick={onEdit}>
              Change it and try again
            </button>
          ) : (
            <>
              <button type="button" className="button button-primary" onClick={() => onPayAgain(done)}>
                <Icon name="repeat" /> Pay again
              </button>
              <button type="button" className="button" onClick={onNext}>
                Send something else
              </button>
            </>
          )}
        </div>
      )}
      <details className="developer">
        <summary>Developer</summary>
        <dl className="facts">
          <dt>Idempotency key</dt>
          <dd>
            <CopyableId id={state.input.idempotencyKey} label="the idempotency key" />
          </dd>
        </dl>
        {state.phase === "settled" && (
          <button type="button" className="button" onClick={onRepeat}>
            <Icon name="repeat" /> Send the same request again
          </button>
        )}
      </details>
    </section>
  );
}

/** The fee for which it was refused. Null if that is not why. */
function newFeeOf(answers: readonly Attempt[]): Money | null {
  const refusals = answers.flatMap((answer) => (answer.kind === "refused" ? answer.refusals : []));
  return refusals.find((refusal) => refusal.__typename === "FeeExceedsLimit")?.fee ?? null;
}

const OF_A_PRICE = new Set(["QUOTE_EXPIRED", "QUOTE_USED", "QUOTE_MISMATCH"]);

/** Whether it was refused for its price, so that another one has to be confirmed. */
function needsPrice(answer: Attempt): boolean {
  return answer.kind === "refused" && answer.refusals.some(({ code }) => OF_A_PRICE.has(code));
}

/** Asks for a confirmation of the fee as it is now. */
function NewFee({ input, refused, onAccept }: { readonly input: TransferInput; readonly refused: Money; readonly onAccept: (maxFee: Money) => void }) {
  const found = useFee(input);
  const known = found?.kind === "charged" ? found : null;
  const fee = known?.fee ?? refused;
  return (
    <>
      <FeeLine fee={known} />
      <div className="form-actions">
        <button type="button" className="button button-primary" onClick={() => onAccept(fee)}>
          <span>
            Send it with a fee of <MoneyText money={fee} />
          </span>
        </button>
      </div>
    </>
  );
}

/** Focuses the outcome if nothing has the focus, or if the focused element was hidden or removed. */
function useFocusHere(phase: Open["phase"]) {
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    const { activeElement } = document;
    // Elements of the form are hidden now.
    if (activeElement === null || activeElement === document.body || activeElement.closest("[hidden]") !== null) {
      section.current?.focus();
    }
  }, [phase]);
  return section;
}

function Headline({ tone, icon, title, children }: { readonly tone: string; readonly icon: IconName; readonly title: string; readonly children: React.ReactNode }) {
  return (
    <div className="headline">
      <span className={`headline-icon headline-${tone}`}>
        <Icon name={icon} />
      </span>
      <div>
        <h2>{title}</h2>
        {children}
      </div>
    </div>
  );
}

function Unknown({ state, onRepeat }: { readonly state: Extract<Open, { readonly phase: "unknown" }>; readonly onRepeat: () => void }) {
  const seconds = useSecondsUntil(state.retryAt);
  return (
    <>
      <Headline tone="warning" icon="alert" title="It is not known yet whether this was sent">
        <p className="muted">
          {state.trouble.message} Sending it again with the same key is safe: it can only be paid once.
          {state.retryAt === null ? "" : ` Next try in ${seconds} s.`}
        </p>
      </Headline>
      <div className="form-actions">
        <button type="button" className="button button-primary" onClick={onRepeat}>
          Try again now
        </button>
        <Link href={`/wallets/${state.input.senderWalletId}`} className="button">
          Look at the wallet
        </Link>
      </div>
    </>
  );
}

function Answer({ answer, number }: { readonly answer: Attempt; readonly number: number | null }) {
  const which = number === null ? "" : `Request ${number}: `;
  switch (answer.kind) {
    case "done":
      return (
        <Headline tone="good" icon={answer.replayed ? "repeat" : "check"} title={`${which}${answer.replayed ? "Replayed: it was sent before" : "Sent"}`}>
          <p>
            <MoneyText money={answer.transaction.amount} /> to {answer.transaction.receiver?.displayName ?? "several wallets"}
            {answer.transaction.conversion !== null && (
              <>
                , who gets <MoneyText money={answer.transaction.conversion.bought} />
              </>
            )}
            {answer.replayed ? ". This is the first answer again; nothing moved twice." : "."}
          </p>
          <Link href={`/transactions/${answer.transaction.id}`}>See the life of this transfer</Link>
        </Headline>
      );
    case "refused":
      return (
        <Headline tone="bad" icon="cross" title={`${which}Refused${answer.replayed ? ", as before" : ""}: nothing moved`}>
          {answer.refusals.map((refusal) => (
            <p key={refusal.code}>
              {refusalText(refusal)}
              {refusal.__typename === "InsufficientFunds" && (
                <>
                  {" "}
                  It has <MoneyText money={refusal.available} />, and this takes <MoneyText money={refusal.required} />.
                </>
              )}
              {refusal.__typename === "FeeExceedsLimit" && (
                <>
                  {" "}
                  The fee is <MoneyText money={refusal.fee} /> now, and this payment accepted <MoneyText money={refusal.limit} />.
                </>
              )}{" "}
              <code>{refusal.code}</code>
            </p>
          ))}
          <p className="muted">
            {answer.transaction === null ? "It left no trace, so its key is still unused." : "The refusal is recorded under this key; the next try gets a new one. "}
            {answer.transaction !== null && <Link href={`/transactions/${answer.transaction.id}`}>See the record</Link>}
          </p>
        </Headline>
      );
    case "unknown":
    case "stopped":
      return (
        <Headline tone="bad" icon="alert" title={`${which}Not sent`}>
          <p>{answer.trouble.message}</p>
        </Headline>
      );
  }
}
