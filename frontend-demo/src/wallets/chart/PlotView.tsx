import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, type KeyboardEvent, type PointerEvent, type RefObject } from "react";
import { useTheme } from "../../app/theme.js";
import { nextStop, stepAt } from "./history.js";
import { Plot, type Drawing } from "./plot.js";

interface PlotViewProps {
  readonly drawing: Drawing;
  /** The time of the crosshair. Null if there is none. */
  readonly at: number | null;
  readonly onPoint: (at: number | null) => void;
  /** The balance and the time at the crosshair in words, or of the whole chart. */
  readonly valueText: string;
  readonly describedBy: string;
}

/** Positions of the crosshair for assistive technology: thousandths of the range. */
const POSITIONS = 1000;

/** The plot with its crosshair. The crosshair follows the pointer and the arrow keys, as a slider does. */
export function PlotView({ drawing, at, onPoint, valueText, describedBy }: PlotViewProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = usePlot(place, drawing);
  const { line, start, end } = drawing;
  useEffect(() => {
    const step = at === null ? undefined : stepAt(line, at);
    plot.current?.point(at === null || step === undefined ? null : { time: at, minor: step.minor });
  }, [plot, at, line]);
  const onPointer = (event: PointerEvent): void => {
    if (plot.current !== null) {
      onPoint(plot.current.timeAt(event.clientX));
    }
  };
  const onKey = (event: KeyboardEvent): void => {
    const to = keyTarget(event.key, drawing, at ?? end);
    if (to !== undefined) {
      event.preventDefault();
      onPoint(to);
    }
  };
  return (
    <div
      ref={place}
      className="plot"
      role="slider"
      tabIndex={0}
      aria-label="Balance over time"
      aria-valuemin={0}
      aria-valuemax={POSITIONS}
      aria-valuenow={Math.round((POSITIONS * ((at ?? end) - start)) / Math.max(1, end - start))}
      aria-valuetext={valueText}
      aria-describedby={describedBy}
      onPointerMove={onPointer}
      onPointerDown={onPointer}
      onPointerLeave={() => onPoint(null)}
      onPointerCancel={() => onPoint(null)}
      onKeyDown={onKey}
      onBlur={() => onPoint(null)}
    />
  );
}

/** Where a key moves the crosshair: to a change, a tenth of the range further, to an end, or away. Undefined for other keys. */
function keyTarget(key: string, { line, start, end }: Drawing, at: number): number | null | undefined {
  const first = line[0]?.time ?? start;
  const span = end - start;
  const limited = (time: number): number => Math.min(end, Math.max(first, time));
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return nextStop(line, at, -1, span / 200);
    case "ArrowRight":
    case "ArrowUp":
      return nextStop(line, at, 1, span / 200);
    case "PageDown":
      return limited(at - span / 10);
    case "PageUp":
      return limited(at + span / 10);
    case "Home":
      return first;
    case "End":
      return end;
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

function usePlot(place: RefObject<HTMLDivElement | null>, drawing: Drawing): RefObject<Plot | null> {
  const plot = useRef<Plot | null>(null);
  const latest = useRef(drawing);
  const theme = useTheme();
  useEffect(() => {
    latest.current = drawing;
    plot.current?.draw(drawing);
  }, [drawing]);
  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return undefined;
    }
    const made = new Plot(element, latest.current);
    plot.current = made;
    const observer = new ResizeObserver(() => made.fit());
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [place]);
  useEffect(() => plot.current?.recolour(), [theme]);
  return plot;
}
