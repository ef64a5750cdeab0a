const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A balance is final five seconds after its time. One more, because clocks differ. */
export const FINAL_AFTER_MILLISECONDS = 6 * SECOND;

const STEPS = [SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY] as const;
const STEPS_ON_SLIDER = 300;

/** How far an arrow key moves: a round time, so that some hundred of them cross the slider. */
export function stepOf(span: number): number {
  return STEPS.find((step) => step * STEPS_ON_SLIDER >= span) ?? DAY;
}

/** Where a key moves the slider; undefined for other keys. */
export function keyTarget(key: string, at: number, start: number, end: number): number | undefined {
  const step = stepOf(end - start);
  const limited = (time: number): number => Math.min(end, Math.max(start, time));
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return limited(at - step);
    case "ArrowRight":
    case "ArrowUp":
      return limited(at + step);
    case "PageDown":
      return limited(at - 10 * step);
    case "PageUp":
      return limited(at + 10 * step);
    case "Home":
      return start;
    case "End":
      return end;
    default:
      return undefined;
  }
}

/** Such as "3 days ago". */
export function agoText(at: number, now: number, locale?: string): string {
  const passed = Math.max(0, now - at);
  const units = [
    ["year", 365 * DAY],
    ["month", 30 * DAY],
    ["day", DAY],
    ["hour", HOUR],
    ["minute", MINUTE],
    ["second", SECOND],
  ] as const;
  const [unit, length] = units.find(([, size]) => passed >= size) ?? (["second", SECOND] as const);
  return new Intl.RelativeTimeFormat(locale, { numeric: "always" }).format(-Math.floor(passed / length), unit);
}

/** Such as "Thursday, November 26, 2026 at 2:03:05 PM". */
export function momentText(at: number, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" }).format(at);
}

/** For a field of local time. */
export function localText(at: number): string {
  const date = new Date(at);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The end of the list of entries, exclusive: just after `at`, by the microseconds that the API has. */
export function justAfter(at: number): string {
  return new Date(at).toISOString().replace("Z", "001Z");
}
