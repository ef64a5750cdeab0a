import { LazyLineChart } from "./lines/LazyLineChart.js";
import type { Sample } from "./lines/samples.js";

interface ThroughputProps {
  readonly perSecond: number;
  readonly samples: readonly Sample[];
}

/** How much the ledger settles. */
export function Throughput({ perSecond, samples }: ThroughputProps) {
  const highest = Math.max(0, ...samples.map(({ values }) => values[0] ?? 0));
  return (
    <section className="card line-card" aria-labelledby="throughput">
      <h2 id="throughput" className="figure-name">
        Settled per second
      </h2>
      <p className="figure-value">{decimal(perSecond)}</p>
      <LazyLineChart samples={samples} label={decimal} summary={`Settled per second: ${decimal(perSecond)} now, at most ${decimal(highest)} in the last two minutes`} />
      <p className="muted">Average of the last 10 seconds, over two minutes</p>
    </section>
  );
}

function decimal(value: number): string {
  return value.toLocaleString(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}
