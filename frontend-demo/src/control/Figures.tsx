import type { LedgerStatus } from "./queries.js";

/** How fast, and how far behind. */
export function Figures({ status, throughput }: { readonly status: LedgerStatus; readonly throughput: readonly number[] }) {
  const { transfersPerSecond, outboxPending, outboxLagSeconds, totals } = status;
  const isBalanced = totals.every(({ difference }) => /^-?0(\.0+)?$/.test(difference.amount));
  return (
    <ul className="figures" aria-label="Now">
      <li className="card figure">
        <p className="figure-name">Transfers per second</p>
        <p className="figure-value">{transfersPerSecond.toFixed(1)}</p>
        <Bars values={throughput} />
      </li>
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

const MOST_BARS = 60;

/** The last two minutes; the figure itself stands above. */
function Bars({ values }: { readonly values: readonly number[] }) {
  const highest = Math.max(1, ...values);
  return (
    <svg className="bars" viewBox={`0 0 ${MOST_BARS * 4} 32`} preserveAspectRatio="none" aria-hidden="true">
      {values.map((value, index) => {
        const height = Math.max(1, (value / highest) * 32);
        return <rect key={index} x={(MOST_BARS - values.length + index) * 4} y={32 - height} width="3" height={height} />;
      })}
    </svg>
  );
}
