/** Figures at one time. Null where there was nothing to measure. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly values: readonly (number | null)[];
}

/** How much time a line shows. */
export const SHOWN_MILLISECONDS = 120_000;
/** Samples further apart are not joined: between them nothing is known. */
const GAP_MILLISECONDS = 6_000;

/** The samples with a newer one, without those that no line shows any more. */
export function kept(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  return [...samples.filter(({ time }) => time >= sample.time - SHOWN_MILLISECONDS), sample];
}

/** The samples with an empty one in each gap, where the line stops. */
export function withGaps(samples: readonly Sample[]): readonly Sample[] {
  return samples.flatMap((sample, index) => {
    const before = samples[index - 1];
    const isGap = before !== undefined && sample.time - before.time > GAP_MILLISECONDS;
    return isGap ? [{ time: before.time + 1, values: before.values.map(() => null) }, sample] : [sample];
  });
}

/** The smallest value that at least this part of the values does not exceed. Null if there are no values. */
export function percentile(values: readonly number[], part: number): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? null;
}
