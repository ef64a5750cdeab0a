const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Such as "23 Nov, 19:21". */
export function formatMoment(time: string): string {
  return MOMENT.format(new Date(time));
}

export function formatDay(time: string): string {
  return DAY.format(new Date(time));
}

/** Such as "19:21:07". */
export function formatClock(milliseconds: number): string {
  return CLOCK.format(new Date(milliseconds));
}

export function formatExact(time: string): string {
  return EXACT.format(new Date(time));
}

/** Milliseconds from one timestamp of the API to another. The API has microseconds, which Date would cut off. */
export function millisecondsBetween(from: string, to: string): number {
  return millisecondsOf(to) - millisecondsOf(from);
}

/** Milliseconds since 1970, with fractions. */
export function millisecondsOf(time: string): number {
  const fraction = /\.\d{3}(\d+)/.exec(time)?.[1] ?? "0";
  return Date.parse(time) + Number(`0.${fraction}`);
}

export function formatMilliseconds(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
