import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import { movedBy, type Row } from "./rows.js";

/** What came in and went out in one currency. */
export interface Subtotal {
  readonly currency: string;
  /** Null if nothing came in. */
  readonly in: Money | null;
  readonly out: Money | null;
}

/** The transactions of one day of the reader's calendar. */
export interface Day {
  /** Such as 2026-11-23. */
  readonly date: string;
  readonly rows: readonly Row[];
  /** Of completed transactions, by currency. */
  readonly subtotals: readonly Subtotal[];
  /** Whether the day may have more transactions than these. */
  readonly isPartial: boolean;
}

/** The calendar day of a moment, in the reader's time zone. */
export function dateOf(time: string | number): string {
  const at = new Date(time);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Rows by day, in their order. The first and the last day are partial if there are newer or older rows that are not shown. */
export function daysOf(rows: readonly Row[], hasNewer: boolean, hasOlder: boolean): Day[] {
  const days: { readonly date: string; readonly rows: Row[] }[] = [];
  for (const row of rows) {
    const date = dateOf(row.createdAt);
    // Near midnight, rows may be out of order by moments: a day is never listed twice.
    const day = days.findLast((known) => known.date === date);
    if (day === undefined) {
      days.push({ date, rows: [row] });
    } else {
      day.rows.push(row);
    }
  }
  return days.map((day, index) => ({
    ...day,
    subtotals: subtotalsOf(day.rows),
    isPartial: (hasNewer && index === 0) || (hasOlder && index === days.length - 1),
  }));
}

/** The exact sums of what completed, per currency, with the fees that the wallet paid. */
export function subtotalsOf(rows: readonly Row[]): Subtotal[] {
  const sums = new Map<string, { readonly decimals: number; CREDIT: bigint | null; DEBIT: bigint | null }>();
  for (const row of rows) {
    if (row.status === "COMPLETED") {
      const { direction } = row;
      const amount = movedBy(row);
      const decimals = decimalsOf(amount.amount);
      const sum = sums.get(amount.currency) ?? { decimals, CREDIT: null, DEBIT: null };
      sum[direction] = (sum[direction] ?? 0n) + toMinor(amount.amount, sum.decimals);
      sums.set(amount.currency, sum);
    }
  }
  return [...sums].map(([currency, { decimals, CREDIT, DEBIT }]) => {
    const money = (minor: bigint | null): Money | null => (minor === null ? null : { amount: fromMinor(minor, decimals), currency });
    return { currency, in: money(CREDIT), out: money(DEBIT) };
  });
}

/** A day as a heading: "Today, November 27", "Monday, November 23", and with the year if it is another one. */
export function dayTitle(date: string, today: string, locale = navigator.language): string {
  const at = noonOf(date);
  const daysAgo = Math.round((noonOf(today).getTime() - at.getTime()) / 86_400_000);
  const year = date.slice(0, 4) === today.slice(0, 4) ? {} : ({ year: "numeric" } as const);
  const isNear = daysAgo === 0 || daysAgo === 1;
  const weekday = isNear ? {} : ({ weekday: "long" } as const);
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", ...weekday, ...year }).format(at);
  if (!isNear) {
    return day;
  }
  const near = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-daysAgo, "day");
  return `${near.charAt(0).toLocaleUpperCase(locale)}${near.slice(1)} · ${day}`;
}

/** Noon, so that a change of the clocks does not move it to another day. */
function noonOf(date: string): Date {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  return new Date(year, month - 1, day, 12);
}

/** Such as "Nov 23, 2026". */
export function dayLabel(date: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" }).format(noonOf(date));
}
