import "./chart.css";
import { useId, useMemo, useState } from "react";
import { lazyPart } from "../../app/lazyPage.js";
import { useExponent } from "../../money/CurrenciesContext.js";
import { decimalsOf, fromMinor } from "../../money/decimal.js";
import { formatChange, formatMoney } from "../../money/format.js";
import { QueryFailed } from "../../ui/Notice.js";
import { formatExact } from "../../ui/time.js";
import type { Point } from "../points.js";
import { ChartTable } from "./ChartTable.js";
import { stepAt } from "./history.js";
import { RANGES, wordsOf, type Range } from "./ranges.js";
import { hasZero, scaleOf, tickLabels } from "./scale.js";
import { useHistory, type History } from "./useHistory.js";

// With the library that draws it. The page's figures do not wait for it.
const PlotView = lazyPart(async () => (await import("./PlotView.js")).PlotView, <div className="plot" />);

interface BalanceChartProps {
  readonly walletId: string;
  readonly currency: string;
  /** The newest entries, from a query and from the live feed. */
  readonly newest: readonly (readonly Point[])[];
  /** When the wallet's first entry was made, or without entries, when it was opened. */
  readonly beganAt: string;
}

/** The balance over a range of time, in steps: between two entries it does not change. */
export function BalanceChart({ walletId, currency, newest, beganAt }: BalanceChartProps) {
  const [{ range, chosenAt }, choose] = useState<{ range: Range; chosenAt: number }>(() => ({ range: "30D", chosenAt: Date.now() }));
  const points = newest.find((list) => list.length > 0);
  const exponent = useExponent(currency) ?? decimalsOf(points?.[0]?.balanceAfter.amount ?? "0");
  const history = useHistory({ walletId, exponent, newest, beganAt }, range, chosenAt);
  const { line, start, end, exactSince, isLoading, error, again } = history;
  const [at, setAt] = useState<number | null>(null);
  const summaryId = useId();
  const text = (minor: bigint): string => formatMoney({ amount: fromMinor(minor, exponent), currency }, exponent);
  const scale = useMemo(() => scaleOf(line.map(({ minor }) => minor)), [line]);
  const drawing = useMemo(
    () => ({ line, start, end, scale, labels: tickLabels(scale, currency, exponent) }),
    [line, start, end, scale, exponent, currency],
  );
  const under = at === null ? undefined : stepAt(line, at);
  const pointed = at === null ? null : `${under === undefined ? "No balance known" : text(under.minor)} · ${moment(at)}`;
  const change = changeOf(history, range, (minor) =>
    formatChange({ amount: fromMinor(minor < 0n ? -minor : minor, exponent), currency }, minor < 0n ? "DEBIT" : "CREDIT", exponent),
  );
  return (
    <figure className="chart" aria-label="Balance over time" aria-busy={isLoading}>
      <div className="chart-top">
        <p className="chart-readout">{pointed ?? change}</p>
        <div className="segments" role="group" aria-label="Range of the chart">
          {RANGES.map((each) => (
            <button key={each} type="button" aria-label={`${each}: ${wordsOf(each)}`} aria-pressed={each === range} onClick={() => choose({ range: each, chosenAt: Date.now() })}>
              {each}
            </button>
          ))}
        </div>
      </div>
      <PlotView drawing={drawing} at={at} onPoint={setAt} valueText={pointed ?? change} describedBy={summaryId} />
      <figcaption id={summaryId} className="chart-caption muted">
        {summaryOf(history, text)}
      </figcaption>
      {error !== undefined && <QueryFailed error={error} onRetry={again} />}
      <ChartTable line={line} isSampled={exactSince !== null} currency={currency} exponent={exponent} />
    </figure>
  );
}

/** How the balance changed over the range. Before its first entry a wallet has nothing. */
function changeOf({ line, start, isWhole, exactSince, isLoading, error }: History, range: Range, text: (minor: bigint) => string): string {
  const [first, last] = [line[0], line.at(-1)];
  if (first === undefined || last === undefined) {
    return isLoading ? "Loading older balances" : isWhole ? "No payment yet" : `No balance in ${wordsOf(range)}`;
  }
  if (exactSince !== null && first.time >= exactSince && first.time > start && (isLoading || error !== undefined)) {
    return isLoading ? "Loading older balances" : `${text(last.minor - first.minor)} since ${moment(first.time)}`;
  }
  // Older than the range: what it had when that began.
  const before = first.time <= start && !isWhole ? first.minor : 0n;
  return `${text(last.minor - before)} ${isWhole ? "since the first payment" : `in ${wordsOf(range)}`}`;
}

/** What the line shows, in words: its ends, its extremes, whether zero is in sight, and how complete it is. */
function summaryOf(history: History, text: (minor: bigint) => string): string {
  const { line, isWhole, exactSince, start } = history;
  const [first, last] = [line[0], line.at(-1)];
  if (first === undefined || last === undefined) {
    return history.isLoading ? "" : `The line starts with the first payment. The wallet was opened on ${moment(start)}.`;
  }
  const minors = line.map(({ minor }) => minor);
  const lowest = minors.reduce((a, b) => (b < a ? b : a));
  const highest = minors.reduce((a, b) => (b > a ? b : a));
  const sentences = [
    `From ${text(first.minor)} on ${moment(first.time)} to ${text(last.minor)} now.`,
    lowest === highest ? "No change." : `Lowest ${text(lowest)}, highest ${text(highest)}.`,
    hasZero(scaleOf(minors)) ? "" : "Zero is not on the scale.",
    isWhole ? `The first payment was on ${moment(start)}, so this is all of it.` : "",
    exactSince === null ? "" : gapOf(history, first.time, exactSince),
  ];
  return sentences.filter((sentence) => sentence !== "").join(" ");
}

const PERIODS = { HOUR: "hour", DAY: "day", MONTH: "month" } as const;

/** What the line does not have. */
function gapOf({ isLoading, error, period }: History, from: number, exactSince: number): string {
  if (isLoading) {
    return `Balances before ${moment(exactSince)} are loading.`;
  }
  return error === undefined
    ? `Before ${moment(exactSince)} the line has the balance at the end of each ${PERIODS[period]}, not each change.`
    : `The line starts on ${moment(from)}: older balances could not be loaded.`;
}

function moment(time: number): string {
  return formatExact(new Date(time).toISOString());
}
