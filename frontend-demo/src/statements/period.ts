import { dateOf } from "../activity/days.js";

/** How the end of a period is chosen. Its beginning is never chosen: it is where the statement before it ended. */
export type End = "month" | "now" | "day";

/** The service lets a statement end some seconds in the past, so that no entry can come later. */
const DELAY_MILLISECONDS = 15_000;

/** Where the first statement of a wallet begins: with the month in which the wallet was opened, by the reader's calendar. */
export function firstFrom(createdAt: string): string {
  const opened = new Date(createdAt);
  return new Date(opened.getFullYear(), opened.getMonth(), 1).toISOString();
}

/** The first moment of this month. */
export function startOfMonth(now: number): number {
  const at = new Date(now);
  return new Date(at.getFullYear(), at.getMonth(), 1).getTime();
}

/** The ends that a period which begins at `from` can have. The end of a month is offered first. */
export function endsOf(from: string, now: number): readonly End[] {
  return Date.parse(from) < startOfMonth(now) ? ["month", "now", "day"] : ["now", "day"];
}

/** What the end of the last month is called: that month, if it is all of the period. */
export function monthLabel(from: string, now: number): string {
  const start = new Date(startOfMonth(now));
  start.setMonth(start.getMonth() - 1);
  return Date.parse(from) === start.getTime() ? "Last month" : "Until the end of last month";
}

/** When the period ends, exclusive, in RFC 3339; null where no day is chosen. A day is included as far as it is over. */
export function endOf(end: End, day: string, now: number): string | null {
  const latest = now - DELAY_MILLISECONDS;
  if (end === "month") {
    return new Date(startOfMonth(now)).toISOString();
  }
  if (end === "now") {
    return new Date(latest).toISOString();
  }
  const [year, month, date] = day.split("-").map(Number);
  if (year === undefined || month === undefined || date === undefined || Number.isNaN(year + month + date)) {
    return null;
  }
  return new Date(Math.min(latest, new Date(year, month - 1, date + 1).getTime())).toISOString();
}

/** The first and the last day that can be chosen. */
export function daysBetween(from: string, now: number): { readonly first: string; readonly last: string } {
  return { first: dateOf(from), last: dateOf(now) };
}

/** Such as "12.3 kB". */
export function formatBytes(bytes: string, locale?: string): string {
  const size = Number(bytes);
  const [unit, value] = size < 1_000 ? (["byte", size] as const) : size < 1_000_000 ? (["kilobyte", size / 1_000] as const) : (["megabyte", size / 1_000_000] as const);
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(value);
}

/** How many entries a statement has. */
export function entryCount({ firstSequence, lastSequence }: { readonly firstSequence: string; readonly lastSequence: string }): bigint {
  return BigInt(lastSequence) - BigInt(firstSequence) + 1n;
}
