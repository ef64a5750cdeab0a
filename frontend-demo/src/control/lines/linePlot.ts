import uPlot from "uplot";
import { colourOf, widthOf } from "../../ui/canvas.js";
import { timeLabels } from "../../wallets/chart/axis.js";
import { SHOWN_MILLISECONDS, withGaps, type Sample } from "./samples.js";

const HEIGHT = 150;
/** The colours of the lines. All but the first are dashed, so that colour is not the only difference. */
const COLOURS = ["--accent", "--warning-fill"];

/** Lines over the last minutes on a canvas, by uPlot, from zero up. */
export class LinePlot {
  readonly #place: HTMLElement;
  readonly #chart: uPlot;
  readonly #label: (value: number) => string;
  #samples: readonly Sample[];

  constructor(place: HTMLElement, samples: readonly Sample[], lines: number, label: (value: number) => string) {
    this.#place = place;
    this.#samples = samples;
    this.#label = label;
    this.#chart = new uPlot(this.#options(lines), dataOf(samples, lines), place);
  }

  draw(samples: readonly Sample[]): void {
    this.#samples = samples;
    this.#chart.setData(dataOf(samples, this.#chart.series.length - 1));
  }

  fit(): void {
    this.#chart.setSize({ width: this.#place.clientWidth, height: HEIGHT });
  }

  /** Draw with the colours of the page as they are now. */
  recolour(): void {
    this.#chart.redraw(false, false);
  }

  destroy(): void {
    this.#chart.destroy();
  }

  #options(lines: number): uPlot.Options {
    const colour = (name: string) => (): string => colourOf(this.#place, name);
    const font = `12px ${getComputedStyle(this.#place).fontFamily}`;
    const grid = { stroke: colour("--line"), width: 1 };
    return {
      width: this.#place.clientWidth,
      height: HEIGHT,
      ms: 1,
      padding: [8, 0, 0, 36],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: () => this.#range() },
        y: { range: (_, __, highest: number | null) => [0, Math.max(1, 1.15 * (highest ?? 0))] },
      },
      axes: [
        { stroke: colour("--text-muted"), font, space: 88, size: 30, grid: { show: false }, ticks: grid, values: (_, splits, __, ___, increment) => timeLabels(splits, increment) },
        {
          // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the right side: a const enum, which does not exist at run time
          side: 1,
          stroke: colour("--text-muted"),
          font,
          grid,
          ticks: { show: false },
          gap: 8,
          space: 32,
          size: (_, values) => widthOf(values, font) + 10,
          values: (_, splits) => splits.map(this.#label),
        },
      ],
      series: [
        {},
        ...Array.from({ length: lines }, (_, index) => ({
          stroke: colour(COLOURS[index % COLOURS.length] ?? "--accent"),
          width: 2,
          points: { show: false },
          ...(index === 0 ? {} : { dash: [6, 4] }),
        })),
      ],
    };
  }

  #range(): [number, number] {
    // In whole milliseconds, or the ticks are not at whole seconds.
    const end = Math.round(this.#samples.at(-1)?.time ?? Date.now());
    return [end - SHOWN_MILLISECONDS, end];
  }
}

function dataOf(samples: readonly Sample[], lines: number): uPlot.AlignedData {
  const whole = withGaps(samples);
  return [whole.map(({ time }) => time), ...Array.from({ length: lines }, (_, line) => whole.map(({ values }) => values[line] ?? null))];
}
