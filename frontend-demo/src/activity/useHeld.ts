import { useEffect, useState, type RefObject } from "react";
import type { Row } from "./rows.js";

/**
 * New rows, held back while the top of the list is out of sight, so that nothing moves under the reader.
 *
 * `rows` are newest first and only grow at their begin.
 */
export function useHeld(top: RefObject<HTMLElement | null>, rows: readonly Row[]): { readonly shown: readonly Row[]; readonly held: number } {
  const [isAtTop, setIsAtTop] = useState(true);
  const [count, setCount] = useState(rows.length);
  useEffect(() => {
    const element = top.current;
    if (element === null) {
      return undefined;
    }
    const observer = new IntersectionObserver((seen) => setIsAtTop(seen.at(-1)?.isIntersecting ?? true));
    observer.observe(element);
    return () => observer.disconnect();
  }, [top]);
  // What is shown follows the rows while the top is in sight.
  // Rows that were loaded anew are no longer among them.
  if (isAtTop ? count !== rows.length : count > rows.length) {
    setCount(rows.length);
  }
  const shownCount = isAtTop ? rows.length : Math.min(count, rows.length);
  return { shown: rows.slice(rows.length - shownCount), held: rows.length - shownCount };
}
