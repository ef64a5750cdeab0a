import { useCallback, useEffect, useRef, useState } from "react";
import type { Trouble } from "../graphql/client.js";
import { useAccount } from "../session/AccountContext.js";
import { attempt, endsIntent, isWorthRepeating, pauseAfter, type Attempt } from "./attempt.js";
import { newKey } from "./key.js";
import { concludeIntent, openIntents, rememberIntent } from "./openIntent.js";
import type { TransferInput } from "./queries.js";

export type Wanted = Omit<TransferInput, "idempotencyKey">;

interface Sent {
  readonly input: TransferInput;
  readonly tries: number;
  /** How many requests are made at once, with the one key. */
  readonly requests: number;
  /** Whether an earlier request with this key may have paid. */
  readonly wasUnknown: boolean;
}

/** Where a payment stands. It is unknown until the service has said what became of it. */
export type IntentState =
  | { readonly phase: "editing" }
  | ({ readonly phase: "sending" } & Sent)
  | ({ readonly phase: "unknown"; readonly trouble: Trouble; readonly retryAt: number | null } & Sent)
  | { readonly phase: "settled"; readonly input: TransferInput; readonly answers: readonly Attempt[] };

const MOST_TRIES = 8;
const EDITING: IntentState = { phase: "editing" };

/**
 * One payment at a time: its key is made when it is first sent and kept through every retry, also over a reload of the page.
 * A new key comes only once the outcome of the last one is recorded.
 */
export function useIntent() {
  const { plain, subject } = useAccount();
  const [state, setState] = useState<IntentState>(EDITING);
  /** Of a request that was refused without a record: its key is still unused. */
  const unusedKey = useRef<string | null>(null);

  const run = useCallback(
    async (sent: Sent): Promise<void> => {
      const { input, tries, requests, wasUnknown } = sent;
      rememberIntent(subject, input);
      setState({ phase: "sending", ...sent });
      const answers = await Promise.all(Array.from({ length: requests }, () => attempt(plain, input, wasUnknown)));
      concludeIntent(subject, input, answers);
      const lost = answers.find((answer) => answer.kind === "unknown");
      if (lost === undefined) {
        unusedKey.current = answers.some(endsIntent) ? null : input.idempotencyKey;
        setState({ phase: "settled", input, answers });
      } else {
        const retryAt = tries < MOST_TRIES && isWorthRepeating(lost.trouble) ? Date.now() + pauseAfter(tries, lost.trouble) : null;
        setState({ phase: "unknown", trouble: lost.trouble, retryAt, ...sent, wasUnknown: true });
      }
    },
    [plain, subject],
  );

  // What an earlier page left open.
  useEffect(() => {
    const [left] = openIntents(subject);
    const timer = left === undefined ? undefined : setTimeout(() => void run({ input: left, tries: 1, requests: 1, wasUnknown: true }));
    return () => clearTimeout(timer);
  }, [subject, run]);

  useEffect(() => {
    if (state.phase !== "unknown" || state.retryAt === null) {
      return undefined;
    }
    const { input, tries, requests, retryAt } = state;
    const timer = setTimeout(() => void run({ input, tries: tries + 1, requests, wasUnknown: true }), retryAt - Date.now());
    return () => clearTimeout(timer);
  }, [state, run]);

  return {
    state,
    /** Send it; `requests` times at once with the one key. */
    send: (wanted: Wanted, requests = 1): void => {
      void run({ input: { ...wanted, idempotencyKey: unusedKey.current ?? newKey() }, tries: 1, requests, wasUnknown: false });
    },
    /** The same request again, with the same key. */
    repeat: (): void => {
      if (state.phase === "unknown") {
        void run({ input: state.input, tries: state.tries + 1, requests: 1, wasUnknown: true });
      } else if (state.phase === "settled") {
        // A key that has an outcome may have paid: if this request is stopped, that says nothing of the payment.
        void run({ input: state.input, tries: 1, requests: 1, wasUnknown: state.answers.some(endsIntent) });
      }
    },
    /** Back to the form, once the outcome is known. */
    edit: (): void => {
      if (state.phase === "settled") {
        setState(EDITING);
      }
    },
  };
}
