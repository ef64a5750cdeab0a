import { anyFee } from "../fees/anyFee.js";
import { isWorthRepeating, pauseAfter } from "../paycore-pay/index.js";
import type { Attempt } from "../send/attempt.js";
import type { TransferInput } from "../send/queries.js";
import { refusalText } from "../send/refusals.js";

/** POST /demo/ambient */
export interface Turn {
  readonly payment: Payment | null;
  /** When to ask again; null where no more are left today. */
  readonly wait_seconds: number | null;
}

export interface Payment {
  readonly payer: string;
  readonly idempotency_key: string;
  readonly sender_wallet_id: string;
  readonly receiver_wallet_id: string;
  readonly amount: string;
  readonly currency: string;
  readonly description: string;
}

export interface AmbientState {
  /**
   * resting: nobody has touched the page for a long time.
   * spent: the demo has no more payments for today.
   */
  readonly mode: "on" | "off" | "resting" | "spent";
  /** A payment was sent and has no answer yet. It is sent again with its key. */
  readonly isUnanswered: boolean;
  /** Why the ledger refused the last payment; null if it did not. */
  readonly refusal: string | null;
}

interface Options {
  /** Null if the service did not answer. */
  readonly ask: () => Promise<Turn | null>;
  readonly send: (payer: string, input: TransferInput, wasUnknown: boolean) => Promise<Attempt>;
  /** Whether the page is in sight and the service answers. */
  readonly isReady: () => boolean;
}

function failureOf(result: Attempt): string | null {
  switch (result.kind) {
    case "done":
      return null;
    case "refused":
      return result.refusals.map(refusalText).join(" ");
    default:
      return result.trouble.message;
  }
}

/** So many payments without a touch of the page, then it rests: a tab left open must not use up the day's payments. */
export const MOST_UNTOUCHED = 200;
const LOOK_AGAIN_MILLISECONDS = 1_000;
const SPENT_MILLISECONDS = 60_000;
const REFUSED_MILLISECONDS = 8_000;

/**
 * Sends the demo's ambient payments while the page is in sight, one at a time, through the public API. The service sets the pace
 * for all pages together. A payment without an answer is sent again with its key before the next one.
 */
export class AmbientPayments {
  readonly #options: Options;
  readonly #listeners = new Set<() => void>();
  #state: AmbientState;
  #run = 0;
  #isOn: boolean;
  #untouched = 0;
  #wake = (): void => undefined;

  constructor(options: Options, isOn: boolean) {
    this.#options = options;
    this.#isOn = isOn;
    this.#state = { mode: isOn ? "on" : "off", isUnanswered: false, refusal: null };
  }

  get state(): AmbientState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Go on until the returned function is called. */
  start(): () => void {
    this.#run += 1;
    void this.#go(this.#run);
    return () => {
      this.#run += 1;
      this.wake();
    };
  }

  turn(isOn: boolean): void {
    this.#isOn = isOn;
    this.#enter({ mode: isOn ? "on" : "off" });
    this.touched();
  }

  /** Somebody uses the page. */
  readonly touched = (): void => {
    this.#untouched = 0;
    if (this.#state.mode === "resting") {
      this.#enter({ mode: "on" });
      this.wake();
    }
  };

  /** Look again now: the page came into sight, or the service is back. */
  readonly wake = (): void => this.#wake();

  async #go(run: number): Promise<void> {
    const isOver = (): boolean => run !== this.#run;
    while (!isOver()) {
      await this.#pause(await this.#step(isOver));
    }
  }

  /** Returns how long to wait for the next step. */
  async #step(isOver: () => boolean): Promise<number> {
    if (this.#isOn && this.#untouched >= MOST_UNTOUCHED) {
      this.#enter({ mode: "resting" });
    }
    if (!this.#isOn || this.#state.mode === "resting" || !this.#options.isReady()) {
      return LOOK_AGAIN_MILLISECONDS;
    }
    const turn = await this.#options.ask();
    if (turn === null) {
      return LOOK_AGAIN_MILLISECONDS;
    }
    if (turn.payment === null) {
      this.#enter({ mode: !this.#isOn ? "off" : turn.wait_seconds === null ? "spent" : "on" });
      return turn.wait_seconds === null ? SPENT_MILLISECONDS : turn.wait_seconds * 1_000;
    }
    const askedAt = performance.now();
    const refusal = await this.#pay(turn.payment, isOver);
    this.#untouched += 1;
    this.#enter({ refusal });
    return refusal === null ? (turn.wait_seconds ?? 0) * 1_000 - (performance.now() - askedAt) : REFUSED_MILLISECONDS;
  }

  /** Until its outcome is known, or the page is left. Returns why it was refused. */
  async #pay(payment: Payment, isOver: () => boolean): Promise<string | null> {
    const input: TransferInput = {
      idempotencyKey: payment.idempotency_key,
      senderWalletId: payment.sender_wallet_id,
      receiverWalletId: payment.receiver_wallet_id,
      amount: { amount: payment.amount, currency: payment.currency },
      description: payment.description,
      // The demo goes on if a fee is published.
      maxFee: anyFee(payment),
    };
    for (let tries = 1; ; tries += 1) {
      const result = await this.#options.send(payment.payer, input, tries > 1);
      const isUnanswered = result.kind === "unknown" && isWorthRepeating(result.trouble) && !isOver();
      this.#enter({ isUnanswered });
      if (!isUnanswered) {
        return failureOf(result);
      }
      await this.#pause(pauseAfter(tries, result.trouble));
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, milliseconds));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #enter(change: Partial<AmbientState>): void {
    this.#state = { ...this.#state, ...change };
    this.#listeners.forEach((listener) => listener());
  }
}
