import type { CombinedError } from "@urql/core";
import { useEffect, useState } from "react";
import { now } from "../live/feed.js";
import { connection } from "../live/page.js";
import { useAccount } from "../session/AccountContext.js";
import { LEDGER_STATUS, type LedgerStatus } from "./queries.js";
import { kept, type Sample } from "./lines/samples.js";

const EVERY_MILLISECONDS = 2_000;

export interface Watched {
  readonly status: LedgerStatus | null;
  /** When `status` arrived, in milliseconds since 1970. Null before the first answer. */
  readonly answeredAt: number | null;
  /** Transfers per second, oldest first, one for each answer. */
  readonly throughput: readonly Sample[];
  /** The last question's error. `status` is then the answer to an earlier one. */
  readonly error: CombinedError | null;
}

/** The ledger's state, asked every two seconds while the page is in sight, and at once when it comes into sight or the service returns. */
export function useLedgerStatus(): Watched {
  const { plain } = useAccount();
  const [watched, setWatched] = useState<Watched>({ status: null, answeredAt: null, throughput: [], error: null });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let newest = 0;
    const ask = async (): Promise<void> => {
      clearTimeout(timer);
      const number = ++newest;
      if (!document.hidden) {
        const { data, error } = await plain.query(LEDGER_STATUS, {}).toPromise();
        // Another question was asked meanwhile, or the page is gone.
        if (number !== newest) {
          return;
        }
        setWatched((before) => after(before, data?.ledgerStatus ?? null, error ?? null));
      }
      timer = setTimeout(() => void ask(), EVERY_MILLISECONDS);
    };
    const start = (): void => void ask();
    const leave = connection.onReturn(start);
    document.addEventListener("visibilitychange", start);
    start();
    return () => {
      newest += 1;
      clearTimeout(timer);
      leave();
      document.removeEventListener("visibilitychange", start);
    };
  }, [plain]);
  return watched;
}

function after(before: Watched, status: LedgerStatus | null, error: CombinedError | null): Watched {
  if (status === null) {
    return { ...before, error };
  }
  const answeredAt = now();
  return { status, answeredAt, throughput: kept(before.throughput, { time: answeredAt, values: [status.transfersPerSecond] }), error };
}
