import { useExponent } from "../money/CurrenciesContext.js";
import { formatMoney } from "../money/format.js";
import { formatDay, millisecondsOf } from "../ui/time.js";
import { heights, type Point } from "./points.js";

const WIDTH = 800;
const HEIGHT = 180;
const INSET = 6;

/** The balance over time, in steps: between two entries it does not change. */
export function BalanceChart({ points }: { readonly points: readonly Point[] }) {
  const [first, last] = [points[0], points.at(-1)];
  const exponent = useExponent(first?.balanceAfter.currency ?? "");
  if (first === undefined || last === undefined || points.length < 2) {
    return null;
  }
  const start = millisecondsOf(first.createdAt);
  const span = Math.max(1, millisecondsOf(last.createdAt) - start);
  const high = heights(points);
  const path = points.map(({ createdAt }, index) => {
    const x = (((millisecondsOf(createdAt) - start) / span) * WIDTH).toFixed(1);
    const y = (INSET + (1 - (high[index] ?? 0)) * (HEIGHT - 2 * INSET)).toFixed(1);
    return index === 0 ? `M${x} ${y}` : `H${x}V${y}`;
  });
  const line = path.join("");
  const lowest = points[high.indexOf(Math.min(...high))] ?? first;
  const highest = points[high.indexOf(Math.max(...high))] ?? first;
  const [low, top] = [formatMoney(lowest.balanceAfter, exponent), formatMoney(highest.balanceAfter, exponent)];
  return (
    <figure className="chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`The balance over the last ${points.length} entries, between ${low} and ${top}`}
      >
        <path className="chart-area" d={`${line}V${HEIGHT}H0Z`} />
        <path className="chart-line" d={line} vectorEffect="non-scaling-stroke" />
      </svg>
      <figcaption className="chart-caption muted">
        <span>{formatDay(first.createdAt)}</span>
        <span className="chart-range">
          {low} – {top}
        </span>
        <span>Now</span>
      </figcaption>
    </figure>
  );
}
