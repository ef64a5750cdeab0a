/** An exact amount: a decimal in plain notation, never a float. Compute with it by a decimal or bigint library. */
export interface Money {
  readonly amount: string;
  readonly currency: string;
}

export interface Wallet {
  readonly id: string;
  readonly name: string;
  readonly currency: string;
  /** ACTIVE, FROZEN or CLOSED; later versions of the service may know more. */
  readonly status: string;
  /** Of the newest entry that this state includes; 0 when there is none. A 64-bit integer as a string. */
  readonly sequence: string;
  readonly balance: Money;
  /** What can be spent now. */
  readonly available: Money;
}

/** Who is on a side of a transaction. */
export interface Party {
  readonly walletId: string;
  readonly displayName: string;
}

export interface Transaction {
  readonly id: string;
  /** TRANSFER or DEPOSIT; later versions of the service may know more. */
  readonly type: string;
  readonly description: string | null;
  readonly sender: Party | null;
  readonly receiver: Party | null;
}

export interface LedgerEntry {
  readonly id: string;
  /** Rises by exactly 1 from one entry of a wallet to the next. A 64-bit integer as a string. */
  readonly sequence: string;
  readonly direction: "DEBIT" | "CREDIT";
  /** Positive, whatever the direction. */
  readonly amount: Money;
  readonly balanceAfter: Money;
  readonly createdAt: string;
  readonly transaction: Transaction;
}

/** A place in a wallet's entries: all up to and with `sequence` are behind it. Plain strings, to be stored as JSON. */
export interface Position {
  /** Opaque; `WalletUpdate.cursor` or `Wallet.updatesCursor` of the API. */
  readonly cursor: string;
  /** The sequence that the cursor stands at; `Wallet.sequence` where the cursor is the wallet's `updatesCursor`. */
  readonly sequence: string;
}

interface Update {
  /** The wallet now, never older than the entry: safe to replace what you show. */
  readonly wallet: Wallet;
  /** Where to go on once this update is dealt with. */
  readonly position: Position;
}

/**
 * ENTRY: one ledger entry; each exactly once, in order.
 * SNAPSHOT: the present state, at each (re)connect, after the entries that were missed. What follows is live.
 * STATE: something other than an entry changed, such as the status. Only the latest counts.
 */
export type WalletUpdate =
  | (Update & { readonly kind: "ENTRY"; readonly entry: LedgerEntry })
  | (Update & { readonly kind: "SNAPSHOT" | "STATE"; readonly entry: null });

/**
 * connecting: a token is asked for and a connection made.
 * catching-up: connected; what was missed is on its way.
 * live: connected, and nothing is missing.
 * offline: not connected: waiting for the next try, paused, or ended.
 */
export type ConnectionState = "connecting" | "catching-up" | "live" | "offline";

/** What is needed of a WebSocket class; the browser's and that of the npm package `ws` both have it. */
export type WebSocketClass = new (url: string, protocols?: string | string[]) => {
  addEventListener(type: "error", listener: () => void): void;
};

/** In milliseconds. */
export interface Timing {
  /** The longest pause before the first new try. It doubles with each further one. */
  readonly firstRetry: number;
  /** What it doubles up to. */
  readonly longestRetry: number;
  /** How long token, socket and acknowledgement may take together. */
  readonly connect: number;
  /** How often a silent connection is probed. */
  readonly ping: number;
  /** How long the answer to a probe may take. */
  readonly pong: number;
  /** A connection that lasted this long was a good one: the pauses start from the first again. */
  readonly steady: number;
}
