import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import { StatusBadge } from "../ui/Badge.js";
import { To } from "../ui/Icon.js";
import { formatExact, formatMoment } from "../ui/time.js";
import type { FoundTransaction } from "./queries.js";

/** Transactions, each with a link to its page. */
export function TransactionRows({ transactions, label }: { readonly transactions: readonly FoundTransaction[]; readonly label: string }) {
  return (
    <ul className="found" aria-label={label}>
      {transactions.map(({ id, status, reference, description, createdAt, amount, sender, receiver }) => (
        <li key={id}>
          <Link href={`/transactions/${id}`} className="found-row">
            <span className="found-text">
              <span className="truncate">
                {sender?.displayName ?? "Several"} <To /> {receiver?.displayName ?? "several"}
              </span>
              <span className="muted truncate">
                <time dateTime={createdAt} title={formatExact(createdAt)}>
                  {formatMoment(createdAt)}
                </time>
                {(reference ?? description) !== null && ` · ${reference ?? description ?? ""}`}
              </span>
            </span>
            {status !== "COMPLETED" && <StatusBadge status={status} />}
            <MoneyText money={amount} />
          </Link>
        </li>
      ))}
    </ul>
  );
}
