import { useCallback } from "react";

/** A ref for what ends the list: `reached` is called when it comes near the screen. */
export function useReached(reached: () => Promise<void>): (element: Element | null) => (() => void) | undefined {
  return useCallback(
    (element: Element | null) => {
      if (element === null) {
        return undefined;
      }
      const observer = new IntersectionObserver(([seen]) => (seen?.isIntersecting === true ? void reached() : undefined), {
        rootMargin: "600px",
      });
      observer.observe(element);
      return () => observer.disconnect();
    },
    [reached],
  );
}
