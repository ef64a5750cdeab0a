import type { ReactNode } from "react";
import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import { StatusBadge } from "../ui/Badge.js";
import { Countdown } from "./Countdown.js";
import { partsOf } from "./state.js";
import type { Hold } from "./queries.js";

interface HoldRowProps {
  readonly hold: Hold;
  readonly status: Hold["status"];
  /** Whether it is in favour of the wallet that is shown. */
  readonly isIncoming: boolean;
  readonly children?: ReactNode;
}

/** A hold in a list: the other side, what remains, until when; and what can be done. */
export function HoldRow({ hold, status, isIncoming, children }: HoldRowProps) {
  const { id, description, amount, remaining, expiresAt, wallet, receiver } = hold;
  const isOpen = status === "OPEN";
  return (
    <li className="hold-row">
      <div className="hold-text">
        <Link href={`/holds/${id}`} className="hold-who truncate">
          {isIncoming ? <bdi>{wallet.displayName}</bdi> : receiver === null ? "Any receiver" : <bdi>{receiver.displayName}</bdi>}
        </Link>
        <span className="muted truncate">{description ?? (isIncoming ? "Held for this wallet" : "Held for a payment")}</span>
      </div>
      <div className="hold-figures">
        <span className="hold-amount">
          <MoneyText money={isOpen ? remaining : amount} />
        </span>
        {isOpen ? (
          <span className="muted">
            {remaining.amount !== amount.amount && (
              <>
                of <MoneyText money={amount} />
                {" · "}
              </>
            )}
            {expiresAt === null ? "no end" : <>expires in <Countdown expiresAt={expiresAt} /></>}
          </span>
        ) : (
          <Ended hold={hold} status={status} />
        )}
      </div>
      {children !== undefined && <div className="hold-actions">{children}</div>}
    </li>
  );
}

function Ended({ hold, status }: { readonly hold: Hold; readonly status: Hold["status"] }) {
  const captured = partsOf(hold).find(({ word }) => word === "captured");
  return (
    <span className="hold-ended muted">
      {captured !== undefined && (
        <span>
          <MoneyText money={captured.money} /> captured
        </span>
      )}
      <StatusBadge status={status} />
    </span>
  );
}
