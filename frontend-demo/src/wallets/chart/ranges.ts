/** The stretches of time that a chart can show. */
export const RANGES = ["1D", "1W", "1M", "3M", "All"] as const;
export type Range = (typeof RANGES)[number];

const WORDS: Readonly<Record<Range, string>> = {
  "1D": "the last day",
  "1W": "the last week",
  "1M": "the last month",
  "3M": "the last 3 months",
  All: "all time",
};

export function wordsOf(range: Range): string {
  return WORDS[range];
}

/** When a range that ends at `end` starts, in milliseconds since 1970. Months are those of the reader's calendar. */
export function startOf(range: Range, end: number, firstEntry: number): number {
  switch (range) {
    case "1D":
      return daysBefore(end, 1);
    case "1W":
      return daysBefore(end, 7);
    case "1M":
      return monthsBefore(end, 1);
    case "3M":
      return monthsBefore(end, 3);
    case "All":
      return firstEntry;
  }
}

function daysBefore(end: number, days: number): number {
  const start = new Date(end);
  start.setDate(start.getDate() - days);
  return start.getTime();
}

/** The same day of an earlier month, or that month's last day if it is shorter. */
function monthsBefore(end: number, months: number): number {
  const start = new Date(end);
  const day = start.getDate();
  start.setDate(1);
  start.setMonth(start.getMonth() - months);
  const lastDay = new Date(start.getFullYear(), start.getMonth() + 1, 0).getDate();
  start.setDate(Math.min(day, lastDay));
  return start.getTime();
}

/** `count` times from `start` on, at equal distances, all before `end`. */
export function timesBetween(start: number, end: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => start + ((end - start) * index) / count);
}
