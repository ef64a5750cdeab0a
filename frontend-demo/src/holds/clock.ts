import { useSyncExternalStore } from "react";
import { serverNow } from "../live/serverClock.js";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;
let seconds = 0;

/** At the start of each second, so that all countdowns change together. */
function tick(): void {
  const now = serverNow();
  seconds = Math.floor(now / 1_000);
  timer = setTimeout(tick, 1_000 - (now % 1_000));
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) {
    tick();
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearTimeout(timer);
      seconds = 0;
    }
  };
}

/** Whole seconds since 1970 by the service's clock, by one timer for all who ask. */
export function useSeconds(): number {
  return useSyncExternalStore(subscribe, () => (seconds === 0 ? Math.floor(serverNow() / 1_000) : seconds));
}
