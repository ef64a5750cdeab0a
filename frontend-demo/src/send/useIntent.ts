import type { Client } from "@urql/core";
import { useMemo } from "react";
import { attempt, endsIntent, PaymentIntent, TransferError, type PaymentState, type Transfer, type Wanted } from "../paycore-pay/index.js";
import { usePayment } from "../paycore-react/index.js";
import { useAccount } from "../session/AccountContext.js";
import { transferBy, type Attempt } from "./attempt.js";
import type { TransferInput, TransferPayload } from "./queries.js";

export type { Wanted };

type Open = Extract<PaymentState<TransferPayload>, { readonly phase: "sending" | "unknown" }>;

/** Where a payment stands, as the page shows it: with the answer to each of the requests that were made at once. */
export type IntentState =
  | { readonly phase: "editing" }
  | Extract<Open, { readonly phase: "sending" }>
  | Extract<Open, { readonly phase: "unknown" }>
  | { readonly phase: "settled"; readonly input: TransferInput; readonly answers: readonly Attempt[] };

/** One payment at a time, whose key paycore-pay keeps until the outcome is known, also over a reload of the page. */
export function useIntent() {
  const { plain, subject } = useAccount();
  const payment = useMemo(() => new PagePayment(plain, subject), [plain, subject]);
  const known = usePayment(payment.intent);
  const state = useMemo(() => payment.shown(known), [payment, known]);
  return {
    state,
    /** Send it; `requests` times at once with the one key. */
    send: (wanted: Wanted, requests = 1): void => payment.send(wanted, requests),
    /** The same request again, with the same key. */
    repeat: (): void => payment.repeat(),
    /** Back to the form, once the outcome is known. */
    edit: (): void => payment.intent.clear(),
  };
}

/** A payment whose first try may make several requests at once, with one key. */
class PagePayment {
  readonly intent: PaymentIntent<TransferPayload>;
  readonly #one: Transfer<TransferPayload>;
  #requests = 1;
  /** Of the last try. */
  #input: TransferInput | null = null;
  #answers: readonly Attempt[] = [];

  constructor(client: Client, owner: string) {
    this.#one = transferBy(client);
    this.intent = new PaymentIntent({ transfer: (input, signal) => this.#transfer(input, signal), owner });
  }

  send(wanted: Wanted, requests: number): void {
    this.#requests = requests;
    void this.intent.send(wanted);
  }

  repeat(): void {
    if (this.intent.state.phase === "draft" && this.#input !== null) {
      // It ended before anything ran, so a new send has its key again.
      this.send(this.#input, 1);
    } else {
      void this.intent.repeat();
    }
  }

  shown(state: PaymentState<TransferPayload>): IntentState {
    if (state.phase === "sending" || state.phase === "unknown") {
      return state;
    }
    const isDraft = state.phase === "draft" && state.trouble === null;
    return isDraft || this.#input === null ? { phase: "editing" } : { phase: "settled", input: this.#input, answers: this.#answers };
  }

  async #transfer(input: TransferInput, signal: AbortSignal): Promise<TransferPayload> {
    const requests = this.#requests;
    this.#requests = 1;
    this.#answers = await Promise.all(Array.from({ length: requests }, () => attempt(this.#one, input, false, signal)));
    this.#input = input;
    return together(this.#answers);
  }
}

/** What requests with one key came to: it is unknown as long as one of them is. */
function together(answers: readonly Attempt[]): TransferPayload {
  const lost = answers.find(({ kind }) => kind === "unknown");
  const answer = lost ?? answers.find(endsIntent) ?? answers.find(({ kind }) => kind === "refused") ?? answers[0];
  switch (answer?.kind) {
    case "done":
      return { transaction: answer.transaction, replayed: answer.replayed, userErrors: [] };
    case "refused":
      return { transaction: answer.transaction, replayed: answer.replayed, userErrors: [...answer.refusals] };
    case "unknown":
    case "stopped":
      throw new TransferError(answer.trouble);
    case undefined:
      throw new RangeError("There was no request.");
  }
}
