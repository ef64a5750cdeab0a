import { useCallback, useEffect, useState } from "react";
import { RECEIPT } from "../../receipts/queries.js";
import { verification, type Outcome } from "../../receipts/useVerification.js";
import type { Account } from "../../session/account.js";
import { DemoError, demoRequest } from "../../session/demo.js";

type Row = Readonly<Record<string, unknown>>;

/** GET /demo/tampering */
export interface Tampered {
  readonly what: string;
  readonly transaction_id: string;
  readonly table: string;
  readonly column: string;
  readonly sql: string;
  readonly before: Row;
  readonly after: Row;
  /** The transaction's receipt from before. */
  readonly receipt: string;
  readonly restores_at: string;
}

export interface Verified {
  readonly findings: readonly string[];
  readonly seconds: number;
}

/** What somebody finds who has the log's public key: with the receipt that they kept, and with the one that the service gives now. */
export interface Outsider {
  readonly kept: Outcome;
  /** Null: the service gives none now. */
  readonly now: Outcome | null;
}

export interface Tampering {
  readonly isRunning: boolean;
  /** Null before a row was changed. */
  readonly tampered: Tampered | null;
  readonly restored: Row | null;
  /** Of the changed ledger, and of the restored one. Null until it has answered. */
  readonly verified: Verified | null;
  readonly verifiedAgain: Verified | null;
  readonly outsider: Outsider | null;
  readonly problem: string | null;
  /** False where there is no embedded database. */
  readonly isPossible: boolean;
  readonly tamper: (what: string) => void;
  readonly restore: () => void;
}

const NOTHING = { tampered: null, restored: null, verified: null, verifiedAgain: null, outsider: null, problem: null };
/** The verification reads the whole ledger. */
const VERIFY_MILLISECONDS = 60_000;
const LOOK_EVERY_MILLISECONDS = 2_000;

type State = Omit<Tampering, "isRunning" | "isPossible" | "tamper" | "restore">;

/** Changes a row as a superuser, and asks what the verification and an outsider find. What another page has begun is shown here too. */
export function useTampering(admin: Account): Tampering {
  const [state, setState] = useState<State>(NOTHING);
  const [isRunning, setIsRunning] = useState(false);
  const [isPossible, setIsPossible] = useState(true);
  const request = useCallback(
    async <Answer>(method: string, path: string, body?: object): Promise<Answer> =>
      demoRequest<Answer>(await admin.token(), method, path, body, VERIFY_MILLISECONDS),
    [admin],
  );
  const examine = useCallback(
    async (tampered: Tampered): Promise<void> => {
      setState({ ...NOTHING, tampered });
      const outsider = await outsiderOf(admin, tampered);
      setState((before) => ({ ...before, outsider }));
      const verified = await request<Verified>("POST", "tampering/verification");
      setState((before) => ({ ...before, verified }));
    },
    [admin, request],
  );
  const begin = useCallback(async (act: () => Promise<void>): Promise<void> => {
    setIsRunning(true);
    setState((before) => ({ ...before, problem: null }));
    try {
      await act();
    } catch (error) {
      setState((before) => ({ ...before, problem: error instanceof DemoError ? error.message : "The service did not answer. The row comes back by itself." }));
    } finally {
      setIsRunning(false);
    }
  }, []);
  useEffect(() => {
    let isOver = false;
    void request<{ readonly possible: boolean; readonly tampered: Tampered | null }>("GET", "tampering").then(
      ({ possible, tampered }) => {
        if (isOver) {
          return;
        }
        setIsPossible(possible);
        if (tampered !== null) {
          void begin(() => examine(tampered));
        }
      },
      () => undefined,
    );
    return () => {
      isOver = true;
    };
  }, [request, begin, examine]);
  const finish = useCallback(
    async (tampered: Tampered, row: Row | null): Promise<void> => {
      setState((before) => ({ ...before, restored: row ?? tampered.before }));
      const verifiedAgain = await request<Verified>("POST", "tampering/verification");
      setState((before) => ({ ...before, verifiedAgain }));
    },
    [request],
  );
  const { tampered, restored } = state;
  useEffect(() => {
    if (tampered === null || restored !== null || isRunning) {
      return undefined;
    }
    // It may have come back by itself.
    const timer = setInterval(() => {
      void request<{ readonly tampered: Tampered | null }>("GET", "tampering").then(
        (answer) => {
          if (answer.tampered === null) {
            void begin(() => finish(tampered, null));
          }
        },
        () => undefined,
      );
    }, LOOK_EVERY_MILLISECONDS);
    return () => clearInterval(timer);
  }, [tampered, restored, isRunning, request, begin, finish]);
  return {
    ...state,
    isRunning,
    isPossible,
    tamper: (what) =>
      void begin(async () => {
        const answer = await request<{ readonly tampered: Tampered | null }>("POST", "tampering", { what });
        if (answer.tampered !== null) {
          await examine(answer.tampered);
        }
      }),
    restore: () =>
      void begin(async () => {
        const { row } = await request<{ readonly row: Row | null }>("DELETE", "tampering");
        if (tampered !== null) {
          await finish(tampered, row);
        }
      }),
  };
}

async function outsiderOf(admin: Account, { transaction_id: id, receipt }: Tampered): Promise<Outsider> {
  const { data } = await admin.plain.query(RECEIPT, { id }).toPromise();
  const key = data?.checkpoint?.publicKey ?? "";
  const proof = data?.transaction?.receipt?.proof ?? null;
  return { kept: (await verification(receipt, key)).outcome, now: proof === null ? null : (await verification(proof, key)).outcome };
}
