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

/** An entry as it came over the wire, and when. */
export interface Arrival {
  readonly entry: LedgerEntry;
  /** Milliseconds since 1970, by this browser's clock. */
  readonly arrivedAt: number;
  /** Came while the watch caught up after a lost connection, rather than live. */
  readonly isCaughtUp: boolean;
}

export interface FeedState {
  readonly wallet: Wallet | null;
  readonly connection: ConnectionState;
  /** Newest first, bounded. */
  readonly arrivals: readonly Arrival[];
  /** Why the watch ended by itself; null while it goes on. */
  readonly ended: WatchError | null;
}

export interface FeedOptions {
  readonly socket: LiveSocket;
  readonly walletId: string;
  readonly onChange: () => void;
  /** The connection was lost or not made. */
  readonly onFailed: () => void;
}

/** How long what nobody shows goes on, so that moving between pages does not cost a connection each. */
export const LINGER_MILLISECONDS = 3_000;

const KEPT_ARRIVALS = 1000;

/** The watch of one wallet, shared by all parts of a page that show it. It goes on where it was when it starts again. */
export class WalletFeed {
  readonly #options: FeedOptions;
  readonly #listeners = new Set<() => void>();
  #state: FeedState = { wallet: null, connection: "offline", arrivals: [], ended: null };
  #watch: WalletWatch | null = null;
  #position: Position | undefined;
  #isTold = true;
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
        this.#enter({ wallet, ...(arrival === null ? {} : { arrivals: [arrival, ...arrivals].slice(0, KEPT_ARRIVALS) }) });
      },
      onState: (connection, reason) => {
        this.#enter({ connection });
        // A service that asks for patience is there, and gets it.
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

  /** Lose the connection, as a phone in a tunnel does, until `pickUp`. */
  drop(): void {
    this.#isDropped = true;
    this.#watch?.pause();
  }

  pickUp(): void {
    this.#isDropped = false;
    this.#watch?.resume();
  }

  /** Connect now instead of later, unless it was dropped on purpose. */
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
      // The ledger is older than our cursor, as after a restore: begin anew from the present.
      this.#position = undefined;
      this.#enter({ wallet: null, arrivals: [] });
      this.start();
    } else {
      this.#enter({ ended });
    }
  }

  #enter(change: Partial<FeedState>): void {
    this.#state = { ...this.#state, ...change };
    if (this.#isTold) {
      this.#isTold = false;
      soon(() => {
        this.#isTold = true;
        this.#listeners.forEach((listener) => listener());
        this.#options.onChange();
      });
    }
  }
}

export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** With the next frame; a page in the background has none, so after a while in any case. */
function soon(callback: () => void): void {
  const run = (): void => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    callback();
  };
  const frame = requestAnimationFrame(run);
  const timer = setTimeout(run, 250);
}
