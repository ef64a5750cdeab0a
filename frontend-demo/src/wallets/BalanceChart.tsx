import { useExponent } from "../money/CurrenciesContext.js";
import { formatMoney } from "../money/format.js";
import { millisecondsOf } from "../ui/time.js";
import { scaleOf, type Point } from "./points.js";
import { spanFormat } from "./span.js";

const WIDTH = 800;
const HEIGHT = 180;
const INSET = 6;

/** The balance over time, in steps: between two entries it does not change. */
export function BalanceChart({ points }: { readonly points: readonly Point[] }) {
  const [first, last] = [points[0], points.at(-1)];
  const currency = first?.balanceAfter.currency ?? "";
  const exponent = useExponent(currency);
  if (first === undefined || last === undefined || points.length < 2) {
    return null;
  }
  const start = millisecondsOf(first.createdAt);
  const span = Math.max(1, millisecondsOf(last.createdAt) - start);
  const { heights, zero, lower, upper } = scaleOf(points);
  const yOf = (height: number): string => (INSET + (1 - height) * (HEIGHT - 2 * INSET)).toFixed(1);
  const path = points.map(({ createdAt }, index) => {
    const x = (((millisecondsOf(createdAt) - start) / span) * WIDTH).toFixed(1);
    const y = yOf(heights[index] ?? 0);
    return index === 0 ? `M${x} ${y}` : `H${x}V${y}`;
  });
  const line = path.join("");
  const [low, top] = [lower, upper].map((amount) => formatMoney({ amount, currency }, exponent));
  const times = spanFormat(first.createdAt, last.createdAt);
  return (
    <figure className="chart">
      <span className="chart-end muted">{top}</span>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`The balance after each of the last ${points.length} entries, on a scale from ${low} to ${top}`}
      >
        <path className="chart-area" d={`${line}V${yOf(zero)}H0Z`} />
        <path className="chart-zero" d={`M0 ${yOf(zero)}H${WIDTH}`} vectorEffect="non-scaling-stroke" />
        <path className="chart-line" d={line} vectorEffect="non-scaling-stroke" />
      </svg>
      <span className="chart-end muted">{low}</span>
      <figcaption className="chart-caption muted">
        <time dateTime={first.createdAt}>{times.format(new Date(first.createdAt))}</time>
        <span className="chart-range">The last {points.length} entries</span>
        <time dateTime={last.createdAt}>{times.format(new Date(last.createdAt))}</time>
      </figcaption>
    </figure>
  );
}
