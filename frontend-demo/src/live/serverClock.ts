/** How many answers are compared. */
const KEPT = 10;
/** A header has whole seconds, so less than this is no difference. */
const LEAST_MILLISECONDS = 2_000;

const heard: number[] = [];

/** Called with each answer's `Date` header: when the service sent it, in whole seconds. */
export function hearDate(date: string | null, now = Date.now()): void {
  const sent = Date.parse(date ?? "");
  if (!Number.isNaN(sent)) {
    heard.push(sent + 500 - now);
    heard.splice(0, heard.length - KEPT);
  }
}

/** Milliseconds since 1970 by the service's clock, as far as it is known. An answer that took long looks as if the service were behind, so the greatest counts. */
export function serverNow(now = Date.now()): number {
  const ahead = heard.length === 0 ? 0 : Math.max(...heard);
  return Math.abs(ahead) < LEAST_MILLISECONDS ? now : now + ahead;
}
