import { useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import { StatusBadge } from "../ui/Badge.js";
import { QueryFailed, Skeleton } from "../ui/Notice.js";
import { ALL_WALLETS } from "./queries.js";

/** Everyone's wallets and the system's own, page by page, for administrators. */
export function AllWallets() {
  const [cursors, setCursors] = useState<readonly (string | null)[]>([null]);
  return (
    <div className="card table-card table-scroll" tabIndex={0} role="group" aria-label="Wallets">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Wallet</th>
            <th scope="col">Status</th>
            <th scope="col" className="number">
              Balance
            </th>
          </tr>
        </thead>
        {cursors.map((after, index) => (
          <Page
            key={after ?? "first"}
            after={after}
            isLast={index === cursors.length - 1}
            onMore={(cursor) => setCursors((known) => [...known, cursor])}
          />
        ))}
      </table>
    </div>
  );
}

interface PageProps {
  readonly after: string | null;
  readonly isLast: boolean;
  readonly onMore: (cursor: string) => void;
}

function Page({ after, isLast, onMore }: PageProps) {
  const { data, error, again } = useAnswer({ query: ALL_WALLETS, variables: { after } });
  const page = data?.wallets;
  if (!page) {
    return (
      <tbody>
        <tr>
          <td colSpan={3}>
            {error === undefined ? <Skeleton label="Loading wallets" /> : <QueryFailed error={error} onRetry={again} />}
          </td>
        </tr>
      </tbody>
    );
  }
  const { hasNextPage, endCursor } = page.pageInfo;
  return (
    <tbody>
      {page.edges.map(({ node: { id, name, owner, kind, status, balance } }) => (
        <tr key={id}>
          <th scope="row">
            <Link href={`/wallets/${id}`}>{name}</Link>
            <span className="table-detail">{owner?.displayName ?? (kind === "SYSTEM" ? "The system" : "")}</span>
          </th>
          <td>
            <StatusBadge status={status} />
          </td>
          <td className="number">
            <MoneyText money={balance} />
          </td>
        </tr>
      ))}
      {isLast && hasNextPage && endCursor !== null && (
        <tr>
          <td colSpan={3}>
            <button type="button" className="button button-small" onClick={() => onMore(endCursor)}>
              Show more
            </button>
          </td>
        </tr>
      )}
    </tbody>
  );
}
