import { TransferError, type Attempt, type Payload, type Timing, type Transfer, type TransferInput, type Trouble } from "./types.js";

/** The request ended before anything ran. After any other code, also one that is newer than this library, it may have paid. */
const NOTHING_RAN = new Set([
  "NO_TOKEN",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "BAD_USER_INPUT",
  "GRAPHQL_VALIDATION_FAILED",
  "QUERY_TOO_COMPLEX",
  "OPERATION_NOT_ALLOWED",
  "PERSISTED_QUERY_NOT_FOUND",
  "PERSISTED_QUERY_NOT_SUPPORTED",
]);

export const TIMING: Timing = { firstPause: 1_000, longestPause: 15_000, mostTries: 8 };

/** Sends it once. With `wasUnknown`, an earlier request with this key may have paid: then only an outcome of the key ends that. */
export async function attempt<P extends Payload>(
  transfer: Transfer<P>,
  input: TransferInput,
  wasUnknown: boolean,
  signal = new AbortController().signal,
): Promise<Attempt<P>> {
  try {
    return answerOf(await orAborted(transfer(input, signal), signal));
  } catch (error) {
    const trouble = error instanceof TransferError ? error.trouble : { code: "NETWORK", message: messageOf(error), retryAfterSeconds: null };
    return { kind: wasUnknown || isWorthRepeating(trouble) ? "unknown" : "stopped", trouble };
  }
}

/** Whether the same request may get another answer by itself, without a new sign-in for example. */
export function isWorthRepeating({ code }: Trouble): boolean {
  return !NOTHING_RAN.has(code);
}

/** What the service said of a transfer. */
export function answerOf<P extends Payload>({ transaction, replayed, userErrors }: P): Attempt<P> {
  if (userErrors.length > 0 || transaction?.status === "FAILED") {
    return { kind: "refused", refusals: userErrors, transaction, replayed };
  }
  if (transaction?.status === "COMPLETED") {
    return { kind: "done", transaction, replayed };
  }
  return { kind: "unknown", trouble: { code: "NO_OUTCOME", message: "The answer holds no outcome.", retryAfterSeconds: null } };
}

/** Whether the outcome is recorded under the key, so that the next payment needs another one. */
export function endsIntent(result: Attempt<Payload>): boolean {
  if (result.kind === "refused") {
    return result.transaction !== null || result.refusals.some(({ code }) => code === "IDEMPOTENCY_KEY_REUSED");
  }
  return result.kind === "done";
}

/** How long to wait before the try after this many; what the service asks for is the least. */
export function pauseAfter(tries: number, { retryAfterSeconds }: Trouble, { firstPause, longestPause }: Timing = TIMING): number {
  return Math.max(Math.min(longestPause, firstPause * 2 ** (tries - 1)), (retryAfterSeconds ?? 0) * 1_000);
}

export interface SettleOptions<P extends Payload> {
  /** An earlier request with this key may have paid. */
  readonly wasUnknown?: boolean;
  readonly timing?: Timing;
  /** Aborts the request and makes no further one. The outcome is then unknown. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each request. If it throws, nothing is sent. */
  readonly onSend?: (tries: number) => void;
  /** Called with each answer, and how long to wait for the next try; null if this was the last. */
  readonly onAnswer?: (answer: Attempt<P>, pause: number | null) => void;
  /** Returns false if no further request is wanted. */
  readonly wait?: (milliseconds: number) => Promise<boolean>;
}

/** Sends it with the same key until its outcome is known, or until trying again by itself makes no sense. */
export async function settle<P extends Payload>(transfer: Transfer<P>, input: TransferInput, options: SettleOptions<P> = {}): Promise<Attempt<P>> {
  const { timing = TIMING, signal = new AbortController().signal, wait = (milliseconds: number) => waited(milliseconds, signal) } = options;
  signal.throwIfAborted();
  for (let tries = 1; ; tries += 1) {
    options.onSend?.(tries);
    const answer = await attempt(transfer, input, options.wasUnknown === true || tries > 1, signal);
    const isRepeated = answer.kind === "unknown" && tries < timing.mostTries && !signal.aborted && isWorthRepeating(answer.trouble);
    const pause = isRepeated ? pauseAfter(tries, answer.trouble, timing) : null;
    options.onAnswer?.(answer, pause);
    if (pause === null || !(await wait(pause))) {
      return answer;
    }
  }
}

/** Whether the time passed; false if the signal came first. */
function waited(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}

/** The promise's value, unless the signal comes first: a transport may not look at the signal. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new TransferError({ code: "ABORTED", message: "It was stopped before the answer came.", retryAfterSeconds: null }));
    if (signal.aborted) {
      abort();
    }
    signal.addEventListener("abort", abort);
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
