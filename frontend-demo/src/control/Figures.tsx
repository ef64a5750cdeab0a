import type { LedgerStatus } from "./queries.js";

/** How fast, and how far behind. */
export function Figures({ status, throughput }: { readonly status: LedgerStatus; readonly throughput: readonly number[] }) {
  const { transfersPerSecond, outboxPending, outboxLagSeconds, totals } = status;
  const isBalanced = totals.every(({ difference }) => /^-?0(\.0+)?$/.test(difference.amount));
  return (
    <dl className="figures">
      <div className="card figure">
        <dt>Transfers per second</dt>
        <dd>{transfersPerSecond.toFixed(1)}</dd>
        <Bars values={throughput} />
      </div>
      <div className="card figure">
        <dt>Waiting in the outbox</dt>
        <dd>{BigInt(outboxPending).toLocaleString()}</dd>
        <p className="muted">events not published yet</p>
      </div>
      <div className="card figure">
        <dt>Outbox lag</dt>
        <dd>{outboxLagSeconds < 1 ? `${Math.round(outboxLagSeconds * 1000)} ms` : `${outboxLagSeconds.toFixed(1)} s`}</dd>
        <p className="muted">age of the oldest of them</p>
      </div>
      <div className="card figure">
        <dt>Zero-sum check</dt>
        <dd className={isBalanced ? "figure-good" : "figure-bad"}>{isBalanced ? "Holds" : "Broken"}</dd>
        <p className="muted">in every currency</p>
      </div>
    </dl>
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
