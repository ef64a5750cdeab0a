/** The stretches of time that a chart can show. */
export const RANGES = ["24H", "7D", "30D", "90D", "1Y", "All"] as const;
export type Range = (typeof RANGES)[number];

const WORDS: Readonly<Record<Range, string>> = {
  "24H": "the last 24 hours",
  "7D": "the last 7 days",
  "30D": "the last 30 days",
  "90D": "the last 90 days",
  "1Y": "the last year",
  All: "all time",
};

export function wordsOf(range: Range): string {
  return WORDS[range];
}

/** When a range that ends at `end` starts, in milliseconds since 1970: not before the wallet's history begins. Days are those of the reader's calendar. */
export function startOf(range: Range, end: number, beganAt: number): number {
  return Math.min(end, Math.max(beganAt, wantedStart(range, end, beganAt)));
}

/** Whether the wallet is younger than the range. */
export function isYounger(range: Range, end: number, beganAt: number): boolean {
  return wantedStart(range, end, beganAt) <= beganAt;
}

function wantedStart(range: Range, end: number, beganAt: number): number {
  switch (range) {
    case "24H":
      return end - 24 * HOUR;
    case "7D":
      return daysBefore(end, 7);
    case "30D":
      return daysBefore(end, 30);
    case "90D":
      return daysBefore(end, 90);
    case "1Y":
      return yearBefore(end);
    case "All":
      return beganAt;
  }
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The API answers with 400 periods at most. Some are left for the change of clocks, and for the two periods at the ends. */
const MOST_HOURS = 390 * HOUR;
const MOST_DAYS = 390 * DAY;

export type Period = "HOUR" | "DAY" | "MONTH";

/** The finest periods of which there are not too many. */
export function periodOf(start: number, end: number): Period {
  const length = end - start;
  return length <= MOST_HOURS ? "HOUR" : length <= MOST_DAYS ? "DAY" : "MONTH";
}

function daysBefore(end: number, days: number): number {
  const start = new Date(end);
  start.setDate(start.getDate() - days);
  return start.getTime();
}

/** The same day of the year before, or the last of February. */
function yearBefore(end: number): number {
  const start = new Date(end);
  const month = start.getMonth();
  start.setFullYear(start.getFullYear() - 1);
  if (start.getMonth() !== month) {
    start.setDate(0);
  }
  return start.getTime();
}
