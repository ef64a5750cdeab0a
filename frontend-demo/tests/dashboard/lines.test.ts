import { describe, expect, it } from "vitest";
import { kept, percentile, SHOWN_MILLISECONDS, withGaps, type Sample } from "../../src/control/lines/samples.js";

const at = (time: number, value: number | null = 1): Sample => ({ time, values: [value] });
const times = (samples: readonly Sample[]): number[] => samples.map(({ time }) => time);

describe("a percentile", () => {
  it("is the smallest value that the part of the values does not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile(hundred, 1)]).toEqual([50, 99, 100]);
  });

  it("of few values is one of them, and of none is null", () => {
    expect([percentile([7], 0.5), percentile([7, 3], 0.5), percentile([7, 3], 0.99), percentile([], 0.5)]).toEqual([7, 3, 7, null]);
  });
});

describe("the samples of a line", () => {
  it("are those of the time that is shown", () => {
    expect(times(kept([at(0), at(1), at(2)], at(SHOWN_MILLISECONDS + 1)))).toEqual([1, 2, SHOWN_MILLISECONDS + 1]);
  });

  it("are not joined over a time without answers", () => {
    expect(withGaps([at(0), at(2_000), at(30_000)])).toEqual([at(0), at(2_000), at(2_001, null), at(30_000)]);
  });
});
