import { endsIntent, settle, TIMING } from "./attempt.js";
import { newKey } from "./key.js";
import { OpenPayments, type KeyStorage } from "./store.js";
import type { Attempt, Payload, Timing, Transfer, TransferInput, TransferPayload, Trouble, Wanted } from "./types.js";

interface Sent {
  readonly input: TransferInput;
  /** How often it was sent. */
  readonly tries: number;
}

/**
 * draft: nothing is open. `trouble` says why the last request ended before anything ran; its key is still unused.
 * sending: a request is running.
 * unknown: it may have been paid. `retryAt` is when it is sent again, in milliseconds since 1970; null if only `retry` sends it again.
 * settled: it was paid, once.
 * refused: nothing moved.
 */
export type PaymentState<P extends Payload = TransferPayload> =
  | { readonly phase: "draft"; readonly trouble: Trouble | null }
  | ({ readonly phase: "sending" } & Sent)
  | ({ readonly phase: "unknown"; readonly trouble: Trouble; readonly retryAt: number | null } & Sent)
  | ({ readonly phase: "settled" } & Sent & Omit<Extract<Attempt<P>, { readonly kind: "done" }>, "kind">)
  | ({ readonly phase: "refused" } & Sent & Omit<Extract<Attempt<P>, { readonly kind: "refused" }>, "kind">);

export interface IntentOptions<P extends Payload> {
  readonly transfer: Transfer<P>;
  /** Keeps apart what is stored for several users or several forms. */
  readonly owner: string;
  /** `sessionStorage` by default. If it throws, nothing is sent. */
  readonly storage?: KeyStorage;
  readonly timing?: Partial<Timing>;
}

interface SendOptions {
  /** Aborts the request and makes no further one: the payment is then unknown, and its key is kept. */
  readonly signal?: AbortSignal;
}

/** One payment at a time. Its key is kept, with its input, until the outcome is known, also over a reload of the page. */
export class PaymentIntent<P extends Payload = TransferPayload> {
  readonly #transfer: Transfer<P>;
  readonly #open: OpenPayments;
  readonly #timing: Timing;
  readonly #listeners = new Set<() => void>();
  #state: PaymentState<P> = { phase: "draft", trouble: null };
  /** Of a request that left no record. */
  #unusedKey: string | null = null;
  #running: Promise<PaymentState<P>> | null = null;
  #isStopped = false;
  /** Ends the pause before the next try: true to send now, false to send no more. */
  #wake: (isWanted: boolean) => void = () => undefined;

  constructor({ transfer, owner, storage, timing }: IntentOptions<P>) {
    this.#transfer = transfer;
    this.#open = new OpenPayments(owner, storage);
    this.#timing = { ...TIMING, ...timing };
  }

  get state(): PaymentState<P> {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Pays. Fulfils once the outcome is known, or is left unknown. Rejects, and sends nothing, while an earlier payment is open. */
  async send(wanted: Wanted, { signal }: SendOptions = {}): Promise<PaymentState<P>> {
    signal?.throwIfAborted();
    const { phase } = this.#state;
    if (phase === "sending" || phase === "unknown") {
      throw new Error(`The state of an earlier payment is ${phase}: its outcome comes first.`);
    }
    return this.#run({ ...wanted, idempotencyKey: this.#unusedKey ?? newKey() }, 0, false, signal);
  }

  /** Sends an unknown payment again at once: the same input, with the same key. Otherwise it changes nothing. */
  async retry(): Promise<PaymentState<P>> {
    const state = this.#state;
    if (state.phase !== "unknown" || this.#running !== null) {
      this.#wake(true);
      return this.#running ?? state;
    }
    return this.#run(state.input, state.tries, true);
  }

  /** Asks again for a known outcome: the same input, with the same key. */
  async repeat(): Promise<PaymentState<P>> {
    const state = this.#state;
    if (state.phase !== "settled" && state.phase !== "refused") {
      return this.retry();
    }
    // A key that has an outcome may have paid. If this request ends before anything runs, that says nothing of the payment.
    return this.#run(state.input, 0, this.#unusedKey === null);
  }

  /** Takes up what an earlier page left open, or what `stop` left unknown. Call it when the form appears. */
  async resume(): Promise<PaymentState<P>> {
    this.#isStopped = false;
    const [left] = this.#state.phase === "draft" ? this.#open.list() : [];
    if (left !== undefined) {
      return this.#run(left, 0, true);
    }
    return this.#running ?? this.retry();
  }

  /** Makes no further try by itself. The answer to a request that is running still counts. Call it when the form goes away. */
  stop(): void {
    this.#isStopped = true;
    this.#wake(false);
  }

  /** Back to a draft, once the outcome is known. */
  clear(): void {
    if (this.#state.phase !== "sending" && this.#state.phase !== "unknown") {
      this.#enter({ phase: "draft", trouble: null });
    }
  }

  #run(input: TransferInput, earlierTries: number, wasUnknown: boolean, signal?: AbortSignal): Promise<PaymentState<P>> {
    this.#isStopped = false;
    const running = this.#settle(input, earlierTries, wasUnknown, signal).finally(() => {
      if (this.#running === running) {
        this.#running = null;
      }
    });
    this.#running = running;
    return running;
  }

  async #settle(input: TransferInput, earlierTries: number, wasUnknown: boolean, signal?: AbortSignal): Promise<PaymentState<P>> {
    let sent: Sent = { input, tries: earlierTries };
    const answer = await settle(this.#transfer, input, {
      wasUnknown,
      signal,
      timing: this.#timing,
      onSend: () => {
        this.#open.remember(input);
        sent = { input, tries: sent.tries + 1 };
        this.#enter({ phase: "sending", ...sent });
      },
      onAnswer: (result, pause) => {
        try {
          this.#open.conclude(input, result);
        } finally {
          this.#learn(result, sent, this.#isStopped || pause === null ? null : Date.now() + pause);
        }
      },
      wait: (milliseconds) => this.#wait(milliseconds, signal),
    }).catch((error: unknown) => {
      // The storage threw: what is open stays so, and nothing is sent by itself.
      this.#rest();
      throw error;
    });
    if (answer.kind === "unknown") {
      this.#rest();
    }
    return stateAfter(answer, sent, null);
  }

  #learn(answer: Attempt<P>, sent: Sent, retryAt: number | null): void {
    if (answer.kind !== "unknown") {
      this.#unusedKey = endsIntent(answer) ? null : sent.input.idempotencyKey;
    }
    this.#enter(stateAfter(answer, sent, retryAt));
  }

  /** No try is planned. */
  #rest(): void {
    if (this.#state.phase === "unknown" && this.#state.retryAt !== null) {
      this.#enter({ ...this.#state, retryAt: null });
    }
  }

  /** Whether to send again. */
  async #wait(milliseconds: number, signal?: AbortSignal): Promise<boolean> {
    const isWanted = !this.#isStopped && (await this.#woken(milliseconds, signal));
    // Stopped and resumed at once, as by a page that is replaced by itself, is not stopped.
    return isWanted || (!this.#isStopped && signal?.aborted !== true);
  }

  #woken(milliseconds: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const abort = (): void => this.#wake(false);
      const timer = setTimeout(() => this.#wake(true), milliseconds);
      signal?.addEventListener("abort", abort);
      this.#wake = (isWanted) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#wake = () => undefined;
        resolve(isWanted);
      };
    });
  }

  #enter(state: PaymentState<P>): void {
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }
}

function stateAfter<P extends Payload>(answer: Attempt<P>, sent: Sent, retryAt: number | null): PaymentState<P> {
  switch (answer.kind) {
    case "done":
      return { phase: "settled", ...sent, transaction: answer.transaction, replayed: answer.replayed };
    case "refused":
      return { phase: "refused", ...sent, refusals: answer.refusals, transaction: answer.transaction, replayed: answer.replayed };
    case "unknown":
      return { phase: "unknown", ...sent, trouble: answer.trouble, retryAt };
    case "stopped":
      return { phase: "draft", trouble: answer.trouble };
  }
}
