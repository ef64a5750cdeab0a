import { useEffect, useState } from "react";

/** Whole seconds until a time in milliseconds since 1970 by this browser's clock; 0 after it, and without one. */
export function useSecondsUntil(time: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  return time === null ? 0 : Math.max(0, Math.ceil((time - now) / 1000));
}
