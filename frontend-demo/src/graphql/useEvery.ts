import { useEffect } from "react";

/** Calls `ask` regularly while the page is in sight, and at once when it comes into sight again. Null: not at all. */
export function useEvery(milliseconds: number | null, ask: () => void): void {
  useEffect(() => {
    if (milliseconds === null) {
      return undefined;
    }
    const look = (): void => {
      if (!document.hidden) {
        ask();
      }
    };
    const timer = setInterval(look, milliseconds);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [milliseconds, ask]);
}
