const DAY_MILLISECONDS = 86_400_000;

/** How the ends of a stretch of time are written: the shorter it is, the more exactly. */
export function spanFormat(from: string, to: string, locale?: string): Intl.DateTimeFormat {
  const length = Date.parse(to) - Date.parse(from);
  if (length > 3 * DAY_MILLISECONDS) {
    return new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
  }
  const seconds = length < DAY_MILLISECONDS / 24 ? ({ second: "2-digit" } as const) : {};
  return new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...seconds });
}
