import { heights, type Point } from "./points.js";

const WIDTH = 240;
const HEIGHT = 48;

/** The last balances as a line, one step for each entry. Decoration: the balance itself stands beside it. */
export function Sparkline({ points }: { readonly points: readonly Point[] }) {
  if (points.length < 2) {
    return <div className="sparkline" />;
  }
  const at = heights(points).map((height, index) => {
    const x = (index / (points.length - 1)) * WIDTH;
    return `${x.toFixed(1)} ${(3 + (1 - height) * (HEIGHT - 6)).toFixed(1)}`;
  });
  const line = `M${at.join("L")}`;
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path className="chart-area" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
      <path className="chart-line" d={line} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
