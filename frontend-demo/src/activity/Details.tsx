import { Fragment } from "react";
import { Link, useLocation } from "wouter";
import { chargeText } from "../fees/charge.js";
import { rateText } from "../fx/words.js";
import { useAnswer } from "../graphql/useAnswer.js";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { stateOfPayAgain } from "../send/payAgain.js";
import { useAccount } from "../session/AccountContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { CopyableId } from "../ui/Copy.js";
import { Dialog } from "../ui/Dialog.js";
import { Icon } from "../ui/Icon.js";
import { formatExact } from "../ui/time.js";
import { TRANSACTION_FEES } from "./queries.js";
import { canPayAgain, type Row } from "./rows.js";

interface DetailsProps {
  readonly row: Row;
  readonly walletId: string;
  readonly onClose: () => void;
}

/** A transaction in a drawer beside the list. */
export function Details({ row, walletId, onClose }: DetailsProps) {
  const { id, type, status, direction, amount, counterparty, description, failureCode, createdAt } = row;
  const [, navigate] = useLocation();
  const { isAdmin } = useAccount();
  const hasFailed = status === "FAILED";
  return (
    <Dialog title={titleOf(row)} className="dialog drawer" onClose={onClose}>
      <p className="drawer-amount">
        <span className={hasFailed ? "amount-failed" : `amount-${direction.toLowerCase()}`}>
          <MoneyText money={amount} direction={direction} />
        </span>
        <StatusBadge status={status} />
      </p>
      {failureCode !== null && (
        <p className="drawer-refusal">
          {refusalText({ code: failureCode, message: failureCode })} <code>{failureCode}</code>
        </p>
      )}
      <dl className="facts">
        {type !== "DEPOSIT" && (
          <>
            <dt>{direction === "DEBIT" ? "To" : "From"}</dt>
            <dd>
              <bdi>{counterparty ?? "Several wallets"}</bdi>
            </dd>
          </>
        )}
        {description !== null && (
          <>
            <dt>Note</dt>
            <dd>
              <bdi>{description}</bdi>
            </dd>
          </>
        )}
        {status === "COMPLETED" && <Costs transactionId={id} />}
        <dt>Created</dt>
        <dd>
          <time dateTime={createdAt}>{formatExact(createdAt)}</time>
        </dd>
        <dt>Transaction</dt>
        <dd>
          <CopyableId id={id} label="the transaction's id" />
        </dd>
      </dl>
      <div className="form-actions drawer-actions">
        {!isAdmin && canPayAgain(row) && (
          <button type="button" className="button button-primary" onClick={() => navigate(`/send?from=${walletId}`, { state: stateOfPayAgain(row, walletId) })}>
            <Icon name="repeat" /> Pay again
          </button>
        )}
        <Link href={`/transactions/${id}`} className="button">
          Full transaction
        </Link>
      </div>
    </Dialog>
  );
}

function Costs({ transactionId }: { readonly transactionId: string }) {
  const { data } = useAnswer({ query: TRANSACTION_FEES, variables: { id: transactionId }, requestPolicy: "cache-first" });
  const conversion = data?.transaction?.conversion ?? null;
  return (
    <>
      {conversion !== null && (
        <>
          <dt>Exchange</dt>
          <dd>
            <span>
              <MoneyText money={conversion.sold} /> became <MoneyText money={conversion.bought} />, at {rateText(conversion.rate)}
            </span>
          </dd>
        </>
      )}
      {data?.transaction?.fees.map((charge) => (
        <Fragment key={charge.label}>
          <dt>Fee</dt>
          <dd>
            <bdi>{chargeText(charge)}</bdi>
          </dd>
        </Fragment>
      ))}
    </>
  );
}

function titleOf({ type, direction, status, counterparty, isOwn }: Row): string {
  if (type === "DEPOSIT") {
    return "Deposit";
  }
  if (type === "CONVERSION" && isOwn) {
    return "Conversion";
  }
  const name = counterparty ?? "several wallets";
  if (type === "REVERSAL" && status !== "FAILED") {
    return direction === "DEBIT" ? `Refund to ${name}` : `Refund from ${name}`;
  }
  if (status === "FAILED") {
    return direction === "DEBIT" ? `Refused payment to ${name}` : `Refused payment from ${name}`;
  }
  return direction === "DEBIT" ? `Payment to ${name}` : `Payment from ${name}`;
}
