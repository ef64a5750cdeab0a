/** An exact amount: a decimal in plain notation, never a float. */
export interface Money {
  readonly amount: string;
  readonly currency: string;
}

/** What is paid, without the key: the library makes and keeps that. */
export interface Wanted {
  readonly senderWalletId: string;
  readonly receiverWalletId: string;
  readonly amount: Money;
  readonly description?: string | null;
  /** The most that may be charged in fees. A part of the input: a key is always sent with the same one. */
  readonly maxFee?: Money | null;
  /** The quote by which a wallet in another currency is paid. A part of the input, too. */
  readonly quoteId?: string | null;
}

export interface TransferInput extends Wanted {
  readonly idempotencyKey: string;
}

/** Why nothing moved. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly path?: readonly string[] | null;
}

/** What the library needs of the mutation's payload. A transport of your own may return more. */
export interface Payload {
  /** Set if the outcome is recorded under the key. */
  readonly transaction: { readonly id: string; readonly status: string } | null;
  /** The key was used before, and this is its outcome. */
  readonly replayed: boolean;
  readonly userErrors: readonly Refusal[];
}

/** What `transferOver` asks for. */
export interface TransferPayload extends Payload {
  readonly transaction: Transaction | null;
}

export interface Transaction {
  readonly id: string;
  readonly status: string;
  readonly failureCode: string | null;
  readonly createdAt: string;
  readonly completedAt: string | null;
  readonly amount: Money;
}

/** Why a request brought no payload. */
export interface Trouble {
  /**
   * `extensions.code` of the first GraphQL error, or one of this library: NETWORK (no GraphQL answer), NO_OUTCOME (the answer holds
   * none), ABORTED (by the signal), NO_TOKEN (`token` rejected, so nothing was sent).
   */
  readonly code: string;
  readonly message: string;
  /** The service asks not to come back sooner. */
  readonly retryAfterSeconds: number | null;
}

/** Makes one request. Returns the payload, or throws a TransferError (anything else that is thrown counts as NETWORK). */
export type Transfer<P extends Payload> = (input: TransferInput, signal: AbortSignal) => Promise<P>;

/** A request that brought no payload. It may have paid, unless its code says that nothing ran. */
export class TransferError extends Error {
  readonly trouble: Trouble;

  constructor(trouble: Trouble) {
    super(`${trouble.code}: ${trouble.message}`);
    this.name = "TransferError";
    this.trouble = trouble;
  }
}

/**
 * What one request came to.
 *
 * done: the money moved, now or, if `replayed`, before.
 * refused: nothing moved. If the refusal is recorded, `transaction` is set, and the key is used up.
 * unknown: it may have moved. Only the same key again can tell, and it is safe.
 * stopped: nothing moved, no earlier request with this key is open, and repeating it as it is would not help (nobody is signed in).
 */
export type Attempt<P extends Payload = TransferPayload> =
  | { readonly kind: "done"; readonly transaction: NonNullable<P["transaction"]>; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly refusals: P["userErrors"]; readonly transaction: P["transaction"]; readonly replayed: boolean }
  | { readonly kind: "unknown"; readonly trouble: Trouble }
  | { readonly kind: "stopped"; readonly trouble: Trouble };

/** Pauses in milliseconds between tries, and how many tries are made before the payment is left unknown. */
export interface Timing {
  readonly firstPause: number;
  /** What the pause doubles up to. */
  readonly longestPause: number;
  readonly mostTries: number;
}
