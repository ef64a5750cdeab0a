import { memo, type MouseEvent } from "react";
import { Link } from "wouter";
import { Latency } from "../live/Latency.js";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { Icon } from "../ui/Icon.js";
import { formatExact, formatMoment } from "../ui/time.js";
import { nameOf, type Row } from "./rows.js";

interface ActivityRowProps {
  readonly row: Row;
  readonly hasWallet: boolean;
  readonly onOpen: (row: Row) => void;
}

function wordFor({ type, direction, isOwn }: Row): string {
  return type === "CONVERSION" && isOwn ? "Conversion" : type === "REVERSAL" ? "Refund" : direction === "CREDIT" ? "Received" : "Sent";
}

/** A transaction in a line. A plain click opens its details beside the list; its address opens in other tabs. */
export const ActivityRow = memo(function ActivityRow({ row, hasWallet, onOpen }: ActivityRowProps) {
  const { id, status, direction, amount, otherAmount, fee, description, failureCode, createdAt, entryId } = row;
  const hasFailed = status === "FAILED";
  const onClick = (event: MouseEvent): void => {
    if (!(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) {
      event.preventDefault();
      onOpen(row);
    }
  };
  return (
    <li className={entryId === null ? "activity-row" : "activity-row is-fresh"}>
      <Link href={`/transactions/${id}`} className="activity-link" aria-haspopup="dialog" onClick={onClick}>
        <span className={`activity-icon activity-icon-${hasFailed ? "failed" : direction.toLowerCase()}`}>
          <Icon name={hasFailed ? "cross" : direction === "CREDIT" ? "arrowIn" : "arrowOut"} />
        </span>
        <span className="activity-text">
          <span className="activity-who truncate">{nameOf(row)}</span>
          <span className="muted truncate">
            {hasWallet && row.found !== undefined && <>{row.found.walletName} · </>}
            {failureCode === null ? (description ?? wordFor(row)) : refusalText({ code: failureCode, message: failureCode })}
            {otherAmount !== null && (
              <>
                {" · "}
                <MoneyText money={otherAmount} /> {direction === "DEBIT" ? "arrived" : "was paid"}
              </>
            )}
            {fee !== null && (
              <>
                {" · fee "}
                <MoneyText money={fee} />
              </>
            )}
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
