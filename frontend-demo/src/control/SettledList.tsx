import { Link } from "wouter";
import { useSettled } from "../live/hooks.js";
import { MoneyText } from "../money/Money.js";
import { To } from "../ui/Icon.js";
import { Empty } from "../ui/Notice.js";
import { StatusBadge } from "../ui/Badge.js";
import { formatMilliseconds, millisecondsOf } from "../ui/time.js";

const SHOWN_ROWS = 14;

/** Everyone's transactions as they settle. */
export function SettledList() {
  const { rows, count, missed } = useSettled();
  return (
    <section className="card table-card" aria-labelledby="settled">
      <h2 id="settled" className="table-title">
        As it settles
        <span className="muted">
          {count.toLocaleString()} since this page is open{missed > 0 ? `, ${missed.toLocaleString()} left out` : ""}
        </span>
      </h2>
      {rows.length === 0 ? (
        <Empty icon="activity" title="Nothing has settled yet">
          <p className="muted">Start the traffic, or send something in another tab.</p>
        </Empty>
      ) : (
        <ul className="settled">
          {rows.slice(0, SHOWN_ROWS).map(({ transaction, arrivedAt }) => {
            const { id, amount, sender, receiver, status, completedAt, createdAt } = transaction;
            return (
              <li key={id}>
                <Link href={`/transactions/${id}`} className="settled-link">
                  <span className="truncate">
                    {sender?.displayName ?? "Several"} <To /> {receiver?.displayName ?? "several"}
                  </span>
                  {status === "COMPLETED" ? (
                    <span className="latency">{formatMilliseconds(Math.max(0, arrivedAt - millisecondsOf(completedAt ?? createdAt)))}</span>
                  ) : (
                    <StatusBadge status={status} />
                  )}
                  <MoneyText money={amount} />
                </Link>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
