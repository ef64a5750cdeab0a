import { useEffect } from "react";
import type { CombinedError } from "@urql/core";
import { connection } from "../live/page.js";
import { isTransient } from "./lastGood.js";

const RETRY_MILLISECONDS = 1_000;

/** After a transient error, call `again` as soon as the service answers. */
export function useAgain(error: CombinedError | null | undefined, again: () => unknown): void {
  useEffect(() => {
    if (!error || !isTransient(error)) {
      return undefined;
    }
    const retry = (): void => void again();
    // If the service has answered since the error, onReturn is not called again.
    const timer = connection.isDoubted ? undefined : setTimeout(retry, RETRY_MILLISECONDS);
    const leave = connection.onReturn(retry);
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [error, again]);
}
