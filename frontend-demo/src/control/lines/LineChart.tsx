import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import { useTheme } from "../../app/theme.js";
import { LinePlot } from "./linePlot.js";
import type { Sample } from "./samples.js";

interface LineChartProps {
  readonly samples: readonly Sample[];
  /** How many lines it has: one for each value of a sample. */
  readonly lines?: number;
  /** What the lines show, in words. */
  readonly summary: string;
  /** A value of the axis as a text. The same function at each render. */
  readonly label: (value: number) => string;
}

/** A figure over the last two minutes. */
export function LineChart({ samples, lines = 1, summary, label }: LineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<LinePlot | null>(null);
  const latest = useRef(samples);
  const theme = useTheme();
  useEffect(() => {
    latest.current = samples;
    plot.current?.draw(samples);
  }, [samples]);
  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return undefined;
    }
    const made = new LinePlot(element, latest.current, lines, label);
    plot.current = made;
    const observer = new ResizeObserver(() => made.fit());
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [lines, label]);
  useEffect(() => plot.current?.recolour(), [theme]);
  return <div ref={place} className="line-chart" role="img" aria-label={summary} />;
}
