import { formatMilliseconds } from "../ui/time.js";
import { LazyLineChart } from "./lines/LazyLineChart.js";
import { MEASURED_SECONDS, useLatency } from "./useLatency.js";

/** How long settled transactions take from their commit to this page. */
export function Promptness() {
  const { samples, median, p99, count } = useLatency();
  return (
    <section className="card line-card" aria-labelledby="promptness">
      <h2 id="promptness" className="figure-name">
        From commit to this page
      </h2>
      <div className="line-values">
        <p className="figure-value">
          {median !== null && formatMilliseconds(median)} <Key name="median" />
        </p>
        <p className="figure-value">
          {p99 !== null && formatMilliseconds(p99)} <Key name="p99" isDashed />
        </p>
      </div>
      <LazyLineChart samples={samples} lines={2} label={tick} summary={`From commit to this page: median ${text(median)}, 99 percent within ${text(p99)}`} />
      <p className="muted">
        {count === 0 ? `Nothing has settled in the last ${MEASURED_SECONDS} seconds` : `Of ${count.toLocaleString()} that settled in the last ${MEASURED_SECONDS} seconds, as this page saw it`}
      </p>
    </section>
  );
}

function Key({ name, isDashed = false }: { readonly name: string; readonly isDashed?: boolean }) {
  return <span className={isDashed ? "figure-key line-key line-key-dashed" : "figure-key line-key"}>{name}</span>;
}

function text(milliseconds: number | null): string {
  return milliseconds === null ? "–" : formatMilliseconds(milliseconds);
}

function tick(milliseconds: number): string {
  return `${milliseconds.toLocaleString(undefined, { maximumFractionDigits: 1 })} ms`;
}
