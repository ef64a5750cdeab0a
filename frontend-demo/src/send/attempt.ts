import type { Client } from "@urql/core";
import { troubleOf, type Trouble } from "../graphql/client.js";
import { TRANSFER, type Refusal, type SentTransaction, type TransferInput, type TransferPayload } from "./queries.js";

/**
 * What one request to transfer came to.
 *
 * done: the money moved, now or, where `replayed`, before.
 * refused: nothing moved. Where it was recorded, `transaction` is set, and the key is used up.
 * unknown: it may have moved. Only the same key again can tell, and it is safe.
 * stopped: this key was never sent before, nothing moved, and sending it again would not help, as when nobody is signed in.
 */
export type Attempt =
  | { readonly kind: "done"; readonly transaction: SentTransaction; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly refusals: readonly Refusal[]; readonly transaction: SentTransaction | null; readonly replayed: boolean }
  | { readonly kind: "unknown"; readonly trouble: Trouble }
  | { readonly kind: "stopped"; readonly trouble: Trouble };

export type Done = Extract<Attempt, { readonly kind: "done" }>;

/** The request was turned away before anything ran. After any other code, also one that is newer than this page, it may have paid. */
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

/** Sends it once. With `wasUnknown` an earlier request with this key may have paid: then only an outcome of the key ends that. */
export async function attempt(client: Client, input: TransferInput, wasUnknown: boolean): Promise<Attempt> {
  const { data, error } = await client.mutation(TRANSFER, { input }).toPromise();
  if (error === undefined && data?.transfer) {
    return answerOf(data.transfer);
  }
  const trouble = error === undefined ? { code: "INTERNAL", message: "There was no answer.", retryAfterSeconds: null } : troubleOf(error);
  return { kind: wasUnknown || isWorthRepeating(trouble) ? "unknown" : "stopped", trouble };
}

/** Whether the same request may get another answer by itself, without a new sign-in for example. */
export function isWorthRepeating({ code }: Trouble): boolean {
  return !NOTHING_RAN.has(code);
}

/** What the service said of a transfer. */
export function answerOf({ transaction, replayed, userErrors }: TransferPayload): Attempt {
  if (userErrors.length > 0 || transaction === null) {
    return { kind: "refused", refusals: userErrors, transaction, replayed };
  }
  return { kind: "done", transaction, replayed };
}

/** Whether what was sent is settled under its key, so that a new try is another intent and needs another key. */
export function endsIntent(result: Attempt): boolean {
  if (result.kind === "refused") {
    return result.transaction !== null || result.refusals.some(({ code }) => code === "IDEMPOTENCY_KEY_REUSED");
  }
  return result.kind === "done";
}

const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 15_000;

/** How long to wait before the try after this many; what the service asks for comes first. */
export function pauseAfter(tries: number, { retryAfterSeconds }: Trouble): number {
  const pause = Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** (tries - 1));
  return retryAfterSeconds === null ? pause : Math.max(pause, retryAfterSeconds * 1_000);
}

/** Sends it until its outcome is known, with the same key. Gives up after so many tries. */
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
