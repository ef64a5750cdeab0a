import uPlot from "uplot";
import { groupsOf } from "../../money/groups.js";
import { colourOf, widthOf } from "../../ui/canvas.js";
import { timeLabels } from "./axis.js";
import type { Step } from "./history.js";
import type { Scale } from "./scale.js";

/** What a plot draws. */
export interface Drawing {
  readonly line: readonly Step[];
  readonly start: number;
  readonly end: number;
  readonly scale: Scale;
  /** The labels of the scale's ticks. */
  readonly labels: readonly string[];
}

const HEIGHT = { narrow: 190, wide: 250 };
const NARROW = 480;
const OUTSIDE = { left: -10, top: -10 };

/** A step line on a canvas, by uPlot. Amounts become numbers only here: their distances from the lower end, to place pixels. */
export class Plot {
  readonly #place: HTMLElement;
  readonly #chart: uPlot;
  #drawing: Drawing;

  constructor(place: HTMLElement, drawing: Drawing) {
    this.#place = place;
    this.#drawing = drawing;
    this.#chart = new uPlot(this.#options(), dataOf(drawing), place);
  }

  draw(drawing: Drawing): void {
    this.#drawing = drawing;
    this.#chart.setData(dataOf(drawing));
  }

  fit(): void {
    this.#chart.setSize(sizeOf(this.#place));
  }

  /** Draw with the colours of the page as they are now. */
  recolour(): void {
    this.#chart.redraw(false, false);
  }

  /** The time under a pointer. */
  timeAt(clientX: number): number {
    const { left } = this.#chart.over.getBoundingClientRect();
    const { start, end } = this.#drawing;
    return Math.min(end, Math.max(start, this.#chart.posToVal(clientX - left, "x")));
  }

  /** Move the crosshair to a balance, or hide it. */
  point(at: { readonly time: number; readonly minor: bigint } | null): void {
    const { lower } = this.#drawing.scale;
    this.#chart.setCursor(
      at === null ? OUTSIDE : { left: this.#chart.valToPos(at.time, "x"), top: this.#chart.valToPos(Number(at.minor - lower), "y") },
    );
  }

  destroy(): void {
    this.#chart.destroy();
  }

  #isNarrow(): boolean {
    return this.#place.clientWidth < NARROW;
  }

  #options(): uPlot.Options {
    const colour = (name: string) => (): string => colourOf(this.#place, name);
    const font = `12px ${getComputedStyle(this.#place).fontFamily}`;
    const heightOf = (minor: bigint): number => Number(minor - this.#drawing.scale.lower);
    const ticks = (): number[] => this.#drawing.scale.ticks.map(heightOf);
    const grid = { stroke: colour("--line"), width: 1 };
    return {
      ...sizeOf(this.#place),
      ms: 1,
      padding: [8, 0, 0, 22],
      legend: { show: false },
      // The page moves the cursor itself, by pointer, touch and keyboard.
      cursor: { points: { show: false }, drag: { x: false, y: false }, bind: UNBOUND },
      scales: {
        x: { range: () => [this.#drawing.start, Math.max(this.#drawing.end, this.#drawing.start + 1)] },
        y: { range: () => [0, heightOf(this.#drawing.scale.upper)] },
      },
      axes: [
        { stroke: colour("--text-muted"), font, space: () => (this.#isNarrow() ? 56 : 88), size: 34, grid: { show: false }, ticks: grid, values: (_, splits, __, ___, increment) => timeLabels(splits, increment) },
        {
          // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the right side: a const enum, which does not exist at run time
          side: 1,
          stroke: colour("--text-muted"),
          font,
          grid,
          ticks: { show: false },
          gap: 8,
          size: (_, values) => widthOf(values, font) + 10,
          splits: ticks,
          values: () => this.#drawing.labels.map((label) => (this.#isNarrow() ? folded(label) : label)),
        },
      ],
      series: [
        {},
        {
          stroke: colour("--accent"),
          fill: colour("--chart-fill"),
          width: 2,
          points: { show: false },
          paths: uPlot.paths.stepped?.({ align: 1 }) ?? (() => null),
          fillTo: () => heightOf(nearestToZero(this.#drawing.scale)),
        },
      ],
      hooks: { drawAxes: [(chart) => drawZero(chart, this.#drawing.scale, colourOf(this.#place, "--line-strong"))] },
    };
  }
}

const unbound = (): null => null;
const UNBOUND = { mousedown: unbound, mouseup: unbound, click: unbound, dblclick: unbound, mousemove: unbound, mouseleave: unbound, mouseenter: unbound };

function dataOf({ line, scale: { lower } }: Drawing): uPlot.AlignedData {
  return [line.map(({ time }) => time), line.map(({ minor }) => Number(minor - lower))];
}

function sizeOf(place: HTMLElement): { readonly width: number; readonly height: number } {
  const width = place.clientWidth;
  return { width, height: width < NARROW ? HEIGHT.narrow : HEIGHT.wide };
}

/** The zero line, a little stronger than the grid. */
function drawZero(chart: uPlot, { lower, upper }: Scale, colour: string): void {
  if (lower > 0n || upper < 0n) {
    return;
  }
  const { ctx, bbox } = chart;
  const y = Math.round(chart.valToPos(Number(-lower), "y", true));
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = uPlot.pxRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function nearestToZero({ lower, upper }: Scale): bigint {
  return lower > 0n ? lower : upper < 0n ? upper : 0n;
}

const LONGEST_LABEL = 14;

/** A long label in lines, broken between groups of digits. */
function folded(label: string): string {
  const lines: string[] = [];
  for (const group of groupsOf(label)) {
    const line = lines.at(-1);
    if (line === undefined || line.length + group.length > LONGEST_LABEL) {
      lines.push(group);
    } else {
      lines[lines.length - 1] = line + group;
    }
  }
  return lines.join("\n");
}
