import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import { StatusBadge } from "../ui/Badge.js";
import type { FoundWallet } from "./queries.js";

/** Wallets, each with a link to its page. */
export function WalletRows({ wallets, label, showsOwner = false }: { readonly wallets: readonly FoundWallet[]; readonly label: string; readonly showsOwner?: boolean }) {
  return (
    <ul className="found" aria-label={label}>
      {wallets.map(({ id, name, kind, status, balance, owner }) => (
        <li key={id}>
          <Link href={`/wallets/${id}`} className="found-row">
            <span className="found-text">
              <span className="truncate">{name}</span>
              {showsOwner && <span className="muted truncate">{owner?.displayName ?? (kind === "SYSTEM" ? "The system" : "")}</span>}
            </span>
            {status !== "ACTIVE" && <StatusBadge status={status} />}
            <MoneyText money={balance} />
          </Link>
        </li>
      ))}
    </ul>
  );
}
