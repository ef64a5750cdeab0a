const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

type Style = Intl.DateTimeFormatOptions;
const SECONDS: Style = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const TIMES: Style = { hour: "2-digit", minute: "2-digit" };
const DAYS: Style = { day: "numeric", month: "short" };
const MONTHS: Style = { month: "short" };
const YEARS: Style = { year: "numeric" };

/** How ticks that are `increment` milliseconds apart are labelled, and those that start the next larger unit. */
function stylesOf(increment: number): readonly [usual: Style, first: Style] {
  if (increment < DAY) {
    return [increment < MINUTE ? SECONDS : TIMES, DAYS];
  }
  if (increment < 28 * DAY) {
    return [DAYS, DAYS];
  }
  return [increment < 365 * DAY ? MONTHS : YEARS, YEARS];
}

/** The labels of a time axis. Among times of day, midnight is labelled with its day, and among months, January with its year. */
export function timeLabels(ticks: readonly number[], increment: number, locale?: string): string[] {
  const [usual, first] = stylesOf(increment);
  const [usually, atFirst] = [new Intl.DateTimeFormat(locale, usual), new Intl.DateTimeFormat(locale, first)];
  return ticks.map((tick) => {
    const date = new Date(tick);
    const isFirst = increment < DAY ? date.getHours() + date.getMinutes() + date.getSeconds() === 0 : date.getMonth() === 0;
    return (isFirst ? atFirst : usually).format(date);
  });
}
