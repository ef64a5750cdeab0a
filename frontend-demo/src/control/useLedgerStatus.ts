import type { CombinedError } from "@urql/core";
import { useEffect, useState } from "react";
import { connection } from "../live/page.js";
import { useAccount } from "../session/AccountContext.js";
import { LEDGER_STATUS, type LedgerStatus } from "./queries.js";

const EVERY_MILLISECONDS = 2_000;
const KEPT_SAMPLES = 60;

export interface Watched {
  readonly status: LedgerStatus | null;
  /** Transfers per second, oldest first, one for each answer. */
  readonly throughput: readonly number[];
  /** Of the last question; what is shown is older, then. */
  readonly error: CombinedError | null;
}

/** The ledger's state, asked every two seconds while the page is in sight. */
export function useLedgerStatus(): Watched {
  const { plain } = useAccount();
  const [watched, setWatched] = useState<Watched>({ status: null, throughput: [], error: null });
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        const { data, error } = await plain.query(LEDGER_STATUS, {}).toPromise();
        if (isOver) {
          return;
        }
        const status = data?.ledgerStatus ?? null;
        setWatched((before) => ({
          status: status ?? before.status,
          throughput: status === null ? before.throughput : [...before.throughput, status.transfersPerSecond].slice(-KEPT_SAMPLES),
          error: error ?? null,
        }));
      }
      timer = setTimeout(() => void ask(), EVERY_MILLISECONDS);
    };
    void ask();
    const leave = connection.onReturn(() => {
      clearTimeout(timer);
      void ask();
    });
    return () => {
      isOver = true;
      leave();
      clearTimeout(timer);
    };
  }, [plain]);
  return watched;
}
