import type { LedgerStatus } from "./queries.js";

/** How far behind, and whether all is well. */
export function Figures({ status }: { readonly status: LedgerStatus }) {
  const { outboxPending, outboxLagSeconds, totals } = status;
  const isBalanced = totals.every(({ difference }) => /^-?0(\.0+)?$/.test(difference.amount));
  return (
    <ul className="figures" aria-label="Now">
      <li className="card figure">
        <p className="figure-name">Waiting in the outbox</p>
        <p className="figure-value">{BigInt(outboxPending).toLocaleString()}</p>
        <p className="muted">events not published yet</p>
      </li>
      <li className="card figure">
        <p className="figure-name">Outbox lag</p>
        <p className="figure-value">{outboxLagSeconds < 1 ? `${Math.round(outboxLagSeconds * 1000)} ms` : `${outboxLagSeconds.toFixed(1)} s`}</p>
        <p className="muted">age of the oldest of them</p>
      </li>
      <li className="card figure">
        <p className="figure-name">Zero-sum check</p>
        <p className={isBalanced ? "figure-value figure-good" : "figure-value figure-bad"}>{isBalanced ? "Holds" : "Broken"}</p>
        <p className="muted">in every currency</p>
      </li>
    </ul>
  );
}
