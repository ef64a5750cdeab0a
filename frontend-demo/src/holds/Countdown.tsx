import "./Countdown.css";
import { formatExact } from "../ui/time.js";
import { useSeconds } from "./clock.js";

const DAY = 86_400;
const PLAIN = new Intl.NumberFormat(undefined, { useGrouping: false });
const TWO = new Intl.NumberFormat(undefined, { useGrouping: false, minimumIntegerDigits: 2 });

/** The time that is left, with digits of one width in a box of one width. Screen readers read it only when they come to it. */
export function Countdown({ expiresAt }: { readonly expiresAt: string }) {
  const left = Math.max(0, Math.ceil(Date.parse(expiresAt) / 1_000) - useSeconds());
  return (
    <span className="countdown" role="timer" aria-live="off" title={formatExact(expiresAt)}>
      {timeText(left)}
    </span>
  );
}

/** Such as "6 d 04:05:06", "4:05:06" or "5:06". */
export function timeText(seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / DAY), Math.floor((seconds % DAY) / 3_600), Math.floor((seconds % 3_600) / 60)];
  const rest = `${TWO.format(minutes)}:${TWO.format(seconds % 60)}`;
  if (days > 0) {
    return `${PLAIN.format(days)} d ${TWO.format(hours)}:${rest}`;
  }
  return hours > 0 ? `${PLAIN.format(hours)}:${rest}` : `${PLAIN.format(minutes)}:${TWO.format(seconds % 60)}`;
}
