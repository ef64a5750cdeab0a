import type { Client } from "@urql/core";
import { troubleOf, type Trouble } from "../graphql/client.js";
import { TRANSFER, type Refusal, type SentTransaction, type TransferInput, type TransferPayload } from "./queries.js";

/**
 * The outcome of one transfer request.
 *
 * done: the money moved, now or, if `replayed`, earlier.
 * refused: no money moved. If the refusal was recorded, `transaction` is set and the key cannot be used for another payment.
 * unknown: the money may have moved. Another request with the same key is safe and returns the outcome.
 * stopped: nothing moved, no earlier request with this key can have paid, and a retry would not help, such as without a sign-in.
 */
export type Attempt =
  | { readonly kind: "done"; readonly transaction: SentTransaction; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly refusals: readonly Refusal[]; readonly transaction: SentTransaction | null; readonly replayed: boolean }
  | { readonly kind: "unknown"; readonly trouble: Trouble }
  | { readonly kind: "stopped"; readonly trouble: Trouble };

export type Done = Extract<Attempt, { readonly kind: "done" }>;

/** Codes of requests that were refused before anything ran. After any other code, also an unknown one, it may have paid. */
const NOTHING_RAN = new Set([
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "BAD_USER_INPUT",
  "GRAPHQL_VALIDATION_FAILED",
  "QUERY_TOO_COMPLEX",
  "OPERATION_NOT_ALLOWED",
  "PERSISTED_QUERY_NOT_FOUND",
  "PERSISTED_QUERY_NOT_SUPPORTED",
]);

/** Sends it once. If `wasUnknown`, an earlier request with this key may have paid, so the result is never "stopped". */
export async function attempt(client: Client, input: TransferInput, wasUnknown: boolean): Promise<Attempt> {
  const { data, error } = await client.mutation(TRANSFER, { input }).toPromise();
  if (error === undefined && data?.transfer) {
    return answerOf(data.transfer);
  }
  const trouble = error === undefined ? { code: "INTERNAL", message: "There was no answer.", retryAfterSeconds: null } : troubleOf(error);
  return { kind: wasUnknown || isWorthRepeating(trouble) ? "unknown" : "stopped", trouble };
}

/** Whether a retry of the same request may get another answer. */
export function isWorthRepeating({ code }: Trouble): boolean {
  return !NOTHING_RAN.has(code);
}

/** The attempt that a transfer payload describes. */
export function answerOf({ transaction, replayed, userErrors }: TransferPayload): Attempt {
  if (userErrors.length > 0 || transaction === null) {
    return { kind: "refused", refusals: userErrors, transaction, replayed };
  }
  return { kind: "done", transaction, replayed };
}

/** Whether the key now has a final outcome, so that a new try is a new intent and needs a new key. */
export function endsIntent(result: Attempt): boolean {
  if (result.kind === "refused") {
    return result.transaction !== null || result.refusals.some(({ code }) => code === "IDEMPOTENCY_KEY_REUSED");
  }
  return result.kind === "done";
}

const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 15_000;

/** Milliseconds to wait after this many tries, at least as long as the service requires. */
export function pauseAfter(tries: number, { retryAfterSeconds }: Trouble): number {
  const pause = Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** (tries - 1));
  return retryAfterSeconds === null ? pause : Math.max(pause, retryAfterSeconds * 1_000);
}

/** Sends it with the same key until its outcome is known. Gives up after `mostTries`. */
export async function settle(client: Client, input: TransferInput, wasUnknown = false, mostTries = 8): Promise<Attempt> {
  for (let tries = 1; ; tries += 1) {
    const result = await attempt(client, input, wasUnknown || tries > 1);
    if (result.kind !== "unknown" || tries >= mostTries || !isWorthRepeating(result.trouble)) {
      return result;
    }
    const pause = pauseAfter(tries, result.trouble);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
