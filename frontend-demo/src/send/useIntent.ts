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
  /** How many requests are sent at once with the same key. */
  readonly requests: number;
  /** Whether an earlier request with this key may have paid. */
  readonly wasUnknown: boolean;
}

/** The state of a payment. It is unknown until the service has returned an outcome. */
export type IntentState =
  | { readonly phase: "editing" }
  | ({ readonly phase: "sending" } & Sent)
  | ({ readonly phase: "unknown"; readonly trouble: Trouble; readonly retryAt: number | null } & Sent)
  | { readonly phase: "settled"; readonly input: TransferInput; readonly answers: readonly Attempt[] };

const MOST_TRIES = 8;
const EDITING: IntentState = { phase: "editing" };

/**
 * Sends one payment at a time. Its key is created when it is first sent, and is kept for every retry and over a reload of
 * the page. A new key is created only after the last one has a recorded outcome.
 */
export function useIntent() {
  const { plain, subject } = useAccount();
  const [state, setState] = useState<IntentState>(EDITING);
  /** The key of a request that was refused without a record. It can be used again. */
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

  // Resume a payment that was open before a reload.
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
    /** Send the payment. Sends `requests` requests at once with the same key. */
    send: (wanted: Wanted, requests = 1): void => {
      void run({ input: { ...wanted, idempotencyKey: unusedKey.current ?? newKey() }, tries: 1, requests, wasUnknown: false });
    },
    /** Send the same request again, with the same key. */
    repeat: (): void => {
      if (state.phase === "unknown") {
        void run({ input: state.input, tries: state.tries + 1, requests: 1, wasUnknown: true });
      } else if (state.phase === "settled") {
        // A key with an outcome may have paid, so this request must not end as "stopped".
        void run({ input: state.input, tries: 1, requests: 1, wasUnknown: state.answers.some(endsIntent) });
      }
    },
    /** Return to the form, if the outcome is known. */
    edit: (): void => {
      if (state.phase === "settled") {
        setState(EDITING);
      }
    },
  };
}
