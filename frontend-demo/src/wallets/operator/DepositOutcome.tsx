import { useEffect, useRef } from "react";
import { Link } from "wouter";
import { MoneyText } from "../../money/Money.js";
import type { Money } from "../../money/format.js";
import { refusalText } from "../../send/refusals.js";
import { Icon } from "../../ui/Icon.js";
import type { OperatedWallet } from "./OperatorCard.js";
import type { DepositState } from "./useDeposit.js";

interface DepositOutcomeProps {
  readonly wallet: OperatedWallet;
  readonly state: DepositState;
  readonly onRetry: () => void;
  /** The same deposit for the fee of which it was refused. */
  readonly onAcceptFee: (maxFee: Money) => void;
  readonly onDone: () => void;
}

/** What became of a deposit, by the service's answers only. It takes the focus if nothing else has it. */
export function DepositOutcome({ wallet, state, onRetry, onAcceptFee, onDone }: DepositOutcomeProps) {
  const section = useRef<HTMLElement>(null);
  const isShown = state.phase !== "draft" || state.trouble !== null;
  useEffect(() => {
    if (isShown && (document.activeElement === null || document.activeElement === document.body)) {
      section.current?.focus();
    }
  }, [isShown, state.phase]);
  const fee = feeRefusedFor(state);
  return (
    <section ref={section} tabIndex={-1} className="stack deposit-outcome" aria-label="Deposit" aria-live="polite" hidden={!isShown}>
      <Words wallet={wallet} state={state} />
      <div className="form-actions">
        {state.phase === "unknown" && (
          <button type="button" className="button button-primary" onClick={onRetry}>
            Try again now
          </button>
        )}
        {fee !== null && (
          <button type="button" className="button button-primary" onClick={() => onAcceptFee(fee)}>
            <span>
              Deposit it with a fee of <MoneyText money={fee} />
            </span>
          </button>
        )}
        {isShown && state.phase !== "unknown" && state.phase !== "sending" && (
          <button type="button" className="button" onClick={onDone}>
            Done
          </button>
        )}
      </div>
    </section>
  );
}

/** The fee for which it was refused. Null if that is not why. */
function feeRefusedFor(state: DepositState): Money | null {
  const refusals = state.phase === "refused" ? state.refusals : [];
  return refusals.find((refusal) => refusal.__typename === "FeeExceedsLimit")?.fee ?? null;
}

function Words({ wallet: { name, owner }, state }: Pick<DepositOutcomeProps, "wallet" | "state">) {
  const into = `into “${name}” of ${owner?.displayName ?? "the system"}`;
  switch (state.phase) {
    case "draft":
      return state.trouble === null ? null : <p className="field-problem">Not deposited. {state.trouble.message}</p>;
    case "sending":
      return (
        <p>
          Depositing <MoneyText money={state.input.amount} /> {into}
          {state.tries > 1 ? `; try ${state.tries}, with the same key` : ""}…
        </p>
      );
    case "unknown":
      return (
        <p className="deposit-unknown">
          <Icon name="alert" /> It is not known yet whether <MoneyText money={state.input.amount} /> was deposited {into}. {state.trouble.message} Sending it
          again with the same key is safe: it can only be deposited once.{state.retryAt === null ? "" : " This page tries again by itself."}
        </p>
      );
    case "settled":
      return (
        <p className="deposit-done">
          <Icon name="check" /> <MoneyText money={state.transaction.amount} /> deposited {into}
          {state.replayed ? ". This is the first answer again; nothing moved twice." : "."} <Link href={`/transactions/${state.transaction.id}`}>See the transaction</Link>
        </p>
      );
    case "refused":
      return (
        <p className="field-problem">
          Refused: nothing moved. {state.refusals.map(refusalText).join(" ")}
        </p>
      );
  }
}
