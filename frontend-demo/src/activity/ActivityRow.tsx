import { memo } from "react";
import { Link } from "wouter";
import { Latency } from "../live/Latency.js";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { Icon } from "../ui/Icon.js";
import { formatExact, formatMoment } from "../ui/time.js";
import type { Row } from "./rows.js";

/** A transaction in a line. */
export const ActivityRow = memo(function ActivityRow({ row }: { readonly row: Row }) {
  const { id, type, status, direction, amount, counterparty, description, failureCode, createdAt, entryId } = row;
  const hasFailed = status === "FAILED";
  return (
    <li className={entryId === null ? "activity-row" : "activity-row is-fresh"}>
      <Link href={`/transactions/${id}`} className="activity-link">
        <span className={`activity-icon activity-icon-${hasFailed ? "failed" : direction.toLowerCase()}`}>
          <Icon name={hasFailed ? "cross" : direction === "CREDIT" ? "arrowIn" : "arrowOut"} />
        </span>
        <span className="activity-text">
          <span className="activity-who truncate">{type === "DEPOSIT" ? "Deposit" : (counterparty ?? "Several wallets")}</span>
          <span className="muted truncate">
            {failureCode === null ? (description ?? (direction === "CREDIT" ? "Received" : "Sent")) : refusalText({ code: failureCode, message: failureCode })}
          </span>
        </span>
        <span className="activity-figures">
          <span className={hasFailed ? "amount-failed" : `amount-${direction.toLowerCase()}`}>
            <MoneyText money={amount} direction={direction} />
          </span>
          <span className="muted activity-time">
            {entryId !== null && <Latency entryId={entryId} createdAt={createdAt} />}
            <time dateTime={createdAt} title={formatExact(createdAt)}>
              {formatMoment(createdAt)}
            </time>
          </span>
        </span>
      </Link>
    </li>
  );
});
