import type { VariablesOf } from "../graphql/tada.js";
import type { ACTIVITY } from "./queries.js";
import type { Row } from "./rows.js";
import { LONGEST_SEARCH } from "./searchText.js";

/** What the list is narrowed to, as the page's address says it. An empty string is no limit. */
export interface Filter {
  /** The search, as it was typed. */
  readonly q: string;
  readonly type: string;
  readonly status: string;
  readonly direction: string;
  /** Days in the reader's own time, both included, such as 2026-11-23. */
  readonly from: string;
  readonly to: string;
}

export const TYPES = ["TRANSFER", "DEPOSIT", "CAPTURE", "CONVERSION", "REVERSAL"] as const;
export const STATUSES = ["COMPLETED", "FAILED", "PENDING"] as const;
export const DIRECTIONS = ["CREDIT", "DEBIT"] as const;

export function readFilter(search: string): Filter {
  const given = new URLSearchParams(search);
  return {
    q: given.get("q")?.slice(0, LONGEST_SEARCH) ?? "",
    type: oneOf(TYPES, given.get("type")) ?? "",
    status: oneOf(STATUSES, given.get("status")) ?? "",
    direction: oneOf(DIRECTIONS, given.get("direction")) ?? "",
    from: day(given.get("from")),
    to: day(given.get("to")),
  };
}

export const NO_LIMITS: Filter = { q: "", type: "", status: "", direction: "", from: "", to: "" };

export function isNarrowed(filter: Filter): boolean {
  return Object.values(filter).some((value) => value !== "");
}

/** Whether the first day is after the last one, so that there is no day between them. */
export function isBackwards({ from, to }: Filter): boolean {
  return from !== "" && to !== "" && from > to;
}

/** The address's query, without what is no limit. */
export function writeFilter(filter: Filter): string {
  return new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== "")).toString();
}

type TransactionFilter = NonNullable<VariablesOf<typeof ACTIVITY>["filter"]>;

/** As the API takes it; null for no limits at all. */
export function apiFilter({ type, status, direction, from, to }: Filter): TransactionFilter | null {
  const filter: TransactionFilter = {
    type: oneOf(TYPES, type),
    status: oneOf(STATUSES, status),
    direction: oneOf(DIRECTIONS, direction),
    createdFrom: startOfDay(from, 0)?.toISOString() ?? null,
    createdTo: startOfDay(to, 1)?.toISOString() ?? null,
  };
  const set = Object.entries(filter).filter(([, value]) => value !== null);
  return set.length === 0 ? null : Object.fromEntries(set);
}

/** Whether a row that arrived live belongs into the narrowed list. */
export function matches({ type, status, direction, from, to }: Filter, row: Row): boolean {
  const created = Date.parse(row.createdAt);
  return (
    (type === "" || row.type === type) &&
    (status === "" || row.status === status) &&
    (direction === "" || row.direction === direction) &&
    created >= (startOfDay(from, 0)?.getTime() ?? -Infinity) &&
    created < (startOfDay(to, 1)?.getTime() ?? Infinity)
  );
}

/** Midnight at the begin of the day that is so many days after this one; null for no day. */
function startOfDay(text: string, later: number): Date | null {
  const [year, month, date] = text.split("-").map(Number);
  return year === undefined || month === undefined || date === undefined ? null : new Date(year, month - 1, date + later);
}

function oneOf<Choice extends string>(choices: readonly Choice[], value: string | null): Choice | null {
  return choices.find((choice) => choice === value) ?? null;
}

function day(value: string | null): string {
  const isDay = value !== null && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value));
  return isDay ? value : "";
}
