import { dateOf } from "./days.js";
import type { Filter } from "./filter.js";

export interface Period {
  readonly label: string;
  readonly from: string;
  readonly to: string;
}

/** Periods that are offered by name, as days of the reader's calendar. */
export function periodsOf(today: string): Period[] {
  const [year = 0, month = 1, day = 1] = today.split("-").map(Number);
  const date = (months: number, of: number): string => dateOf(new Date(year, month - 1 + months, of, 12).getTime());
  return [
    { label: "Today", from: today, to: today },
    { label: "Last 7 days", from: date(0, day - 6), to: today },
    { label: "This month", from: date(0, 1), to: today },
    { label: "Last month", from: date(-1, 1), to: date(0, 0) },
  ];
}

export function isPeriod({ from, to }: Filter, period: Period): boolean {
  return from === period.from && to === period.to;
}
