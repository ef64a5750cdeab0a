import { useCallback } from "react";

/** A ref for what ends the list: `reached` is called when it comes near the screen, and again as long as it stays there. */
export function useReached(reached: () => Promise<void>): (element: Element | null) => (() => void) | undefined {
  return useCallback(
    (element: Element | null) => {
      if (element === null) {
        return undefined;
      }
      const observer = new IntersectionObserver((seen) => (seen.at(-1)?.isIntersecting === true ? void loadOn() : undefined), {
        rootMargin: "600px",
      });
      // An observer reports only changes, and a busy browser may draw nothing between two pages.
      const loadOn = async (): Promise<void> => {
        await reached();
        if (element.isConnected) {
          observer.unobserve(element);
          observer.observe(element);
        }
      };
      observer.observe(element);
      return () => observer.disconnect();
    },
    [reached],
  );
}
