import { useSyncExternalStore } from "react";
import { Connection, type ConnectionView } from "./connection.js";

const PROBE_MILLISECONDS = 3_000;

/** Whether the service answers. A proxy that hides /readyz from browsers answers too, with 403 or 404. */
async function probe(): Promise<boolean> {
  try {
    const response = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(PROBE_MILLISECONDS) });
    return response.status < 500;
  } catch {
    return false;
  }
}

/** The page's only Connection. */
export const connection = new Connection({ probe });

/** Reconnect at once when the browser is online again or the page is visible again. */
export function watchBrowser(): void {
  window.addEventListener("online", connection.resume);
  window.addEventListener("offline", connection.failed);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      connection.resume();
    }
  });
}

export function useConnection(): ConnectionView {
  return useSyncExternalStore(connection.subscribe, () => connection.view);
}
