import { dayLabel } from "./days.js";
import { NO_LIMITS, type Filter } from "./filter.js";

/** A limit of a list in words, and the filter without it. */
export interface Chip {
  readonly label: string;
  readonly without: Filter;
}

export const WORDS: Readonly<Record<string, string>> = {
  TRANSFER: "Transfers",
  DEPOSIT: "Deposits",
  CAPTURE: "From holds",
  CONVERSION: "Exchanges",
  REVERSAL: "Refunds",
  COMPLETED: "Completed",
  FAILED: "Refused",
  PENDING: "Pending",
  CREDIT: "Money in",
  DEBIT: "Money out",
};

export function chipsOf(filter: Filter, locale?: string): Chip[] {
  const { type, status, direction, from, to } = filter;
  const chips: Chip[] = [];
  for (const [key, value] of Object.entries({ type, status, direction })) {
    if (value !== "") {
      chips.push({ label: WORDS[value] ?? value, without: { ...filter, [key]: NO_LIMITS.type } });
    }
  }
  if (from !== "" || to !== "") {
    chips.push({ label: spanOf(from, to, locale), without: { ...filter, from: "", to: "" } });
  }
  return chips;
}

function spanOf(from: string, to: string, locale?: string): string {
  if (from === to) {
    return dayLabel(from, locale);
  }
  if (to === "") {
    return `From ${dayLabel(from, locale)}`;
  }
  return from === "" ? `To ${dayLabel(to, locale)}` : `${dayLabel(from, locale)} – ${dayLabel(to, locale)}`;
}
