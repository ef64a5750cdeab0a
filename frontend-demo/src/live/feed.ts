import {
  watchWallet,
  type LiveSocket,
  type ConnectionState,
  type LedgerEntry,
  type Position,
  type Wallet,
  type WalletWatch,
  type WatchError,
} from "../paycore-live/index.js";

/** An entry and the time at which it arrived. */
export interface Arrival {
  readonly entry: LedgerEntry;
  /** Milliseconds since 1970, by this browser's clock. */
  readonly arrivedAt: number;
  /** Whether it arrived while the watch was catching up after a lost connection. */
  readonly isCaughtUp: boolean;
}

export interface FeedState {
  readonly wallet: Wallet | null;
  readonly connection: ConnectionState;
  /** Newest first, at most KEPT_ARRIVALS. */
  readonly arrivals: readonly Arrival[];
  /** The error that ended the watch. Null while it runs. */
  readonly ended: WatchError | null;
  /** Of the newest update; null before the first one. */
  readonly cursor: string | null;
}

export interface FeedOptions {
  readonly socket: LiveSocket;
  readonly walletId: string;
  readonly onChange: () => void;
  /** Called if the connection is lost or cannot be opened. */
  readonly onFailed: () => void;
}

/** How long a feed keeps running after its last user is gone, so that changing pages does not reconnect. */
export const LINGER_MILLISECONDS = 3_000;

const KEPT_ARRIVALS = 1000;

/** The watch of one wallet, shared by all parts of a page that show it. A restart resumes at its last position. */
export class WalletFeed {
  readonly #options: FeedOptions;
  readonly #listeners = new Set<() => void>();
  #state: FeedState = { wallet: null, connection: "offline", arrivals: [], ended: null, cursor: null };
  #watch: WalletWatch | null = null;
  #position: Position | undefined;
  #isNotified = true;
  #isDropped = false;

  constructor(options: FeedOptions, after: Position | undefined) {
    this.#options = options;
    this.#position = after;
  }

  get state(): FeedState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#watch !== null;
  }

  start(): void {
    const { socket, walletId } = this.#options;
    this.#watch ??= watchWallet({
      socket,
      walletId,
      ...(this.#position === undefined ? {} : { after: this.#position }),
      onUpdate: ({ kind, wallet, entry, position }) => {
        this.#position = position;
        const { arrivals, connection } = this.#state;
        const arrival = kind === "ENTRY" ? { entry, arrivedAt: now(), isCaughtUp: connection !== "live" } : null;
        this.#enter({ wallet, cursor: position.cursor, ...(arrival === null ? {} : { arrivals: [arrival, ...arrivals].slice(0, KEPT_ARRIVALS) }) });
      },
      onState: (connection, reason) => {
        this.#enter({ connection });
        // A service that answers RATE_LIMITED is reachable.
        if (connection === "offline" && reason?.kind === "unreachable" && reason.code !== "RATE_LIMITED") {
          this.#options.onFailed();
        }
      },
      onEnd: (ended) => this.#end(ended),
    });
  }

  stop(): void {
    this.#isDropped = false;
    this.#watch?.stop();
    this.#watch = null;
    this.#enter({ connection: "offline" });
  }

  /** Close the connection, as a phone in a tunnel would, until `pickUp`. */
  drop(): void {
    this.#isDropped = true;
    this.#watch?.pause();
  }

  pickUp(): void {
    this.#isDropped = false;
    this.#watch?.resume();
  }

  /** Reconnect now, unless the connection was closed by `drop`. */
  resume(): void {
    if (!this.#isDropped) {
      this.#watch?.resume();
    }
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #end(ended: WatchError): void {
    this.#watch = null;
    if (ended.code === "BAD_USER_INPUT" && this.#position !== undefined) {
      // The ledger is older than the cursor, as after a restore. Start again with the current state.
      this.#position = undefined;
      this.#enter({ wallet: null, arrivals: [], cursor: null });
      this.start();
    } else {
      this.#enter({ ended });
    }
  }

  #enter(change: Partial<FeedState>): void {
    this.#state = { ...this.#state, ...change };
    if (this.#isNotified) {
      this.#isNotified = false;
      soon(() => {
        this.#isNotified = true;
        this.#listeners.forEach((listener) => listener());
        this.#options.onChange();
      });
    }
  }
}

export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Calls back in the next frame, or after 250 ms: a page in the background has no frames. */
function soon(callback: () => void): void {
  const run = (): void => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    callback();
  };
  const frame = requestAnimationFrame(run);
  const timer = setTimeout(run, 250);
}
