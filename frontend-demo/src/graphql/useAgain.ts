import { useEffect } from "react";
import type { CombinedError } from "@urql/core";
import { connection } from "../live/page.js";
import { isTransient } from "./lastGood.js";

const RETRY_MILLISECONDS = 1_000;

/** Ask again, after an error that may pass, as soon as the service answers. */
export function useAgain(error: CombinedError | null | undefined, again: () => unknown): void {
  useEffect(() => {
    if (!error || !isTransient(error)) {
      return undefined;
    }
    const ask = (): void => void again();
    // It may have answered between the error and now: then nobody says so any more.
    const timer = connection.isDoubted ? undefined : setTimeout(ask, RETRY_MILLISECONDS);
    const leave = connection.onReturn(ask);
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [error, again]);
}
