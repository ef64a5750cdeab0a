import { Backoff } from "./backoff.js";
import { WatchError, unreachable, type Failure } from "./errors.js";
import { LiveSocket, type SocketOptions } from "./socket.js";
import type { ConnectionState, Position, WalletUpdate } from "./types.js";
import { isSequence, judge, parseUpdate, type Received } from "./updates.js";

/** Either a connection of its own, made by these options, or one that it shares with other watches. */
export type WatchOptions = Watched & (SocketOptions | { readonly socket: LiveSocket });

interface Watched {
  readonly walletId: string;
  /** Go on from here; without it, start from a snapshot of the present. */
  readonly after?: Position;
  /** Called with each update, one after the other. Where it throws, the watch ends, and the update counts as not seen. */
  readonly onUpdate: (update: WalletUpdate) => void;
  /** Called when the state changes; `reason` tells why it is offline. */
  readonly onState?: (state: ConnectionState, reason?: WatchError) => void;
  /** The watch has ended by itself: trying again would not help. Called at most once, and last. */
  readonly onEnd: (error: WatchError) => void;
}

/** A running watch. */
export interface WalletWatch {
  readonly state: ConnectionState;
  /** After the last update that was delivered; null before the first. */
  readonly position: Position | null;
  /** Close the connection and keep the position, as for an app that goes into the background. */
  pause(): void;
  /** Connect again after `pause`, or at once instead of later when it is offline. */
  resume(): void;
  /** End it: connection, timers and callbacks. */
  stop(): void;
}

const TOKENS_IN_A_ROW = 2;

/** Watch one wallet until `stop`. No callback comes before this returns. Throws TypeError for options that cannot work. */
export function watchWallet(options: WatchOptions): WalletWatch {
  return new Watch(options);
}

class Watch implements WalletWatch {
  readonly #options: Watched;
  readonly #socket: LiveSocket;
  readonly #backoff: Backoff;
  #state: ConnectionState = "offline";
  #position: Position | null;
  #isOver = false;
  /** Takes the subscription back; null while there is none. */
  #leave: (() => void) | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #connectedAt: number | null = null;
  #refusedTokens = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#socket = "socket" in options ? options.socket : new LiveSocket(options);
    this.#position = options.after === undefined ? null : checked(options.after);
    this.#backoff = new Backoff(this.#socket.timing.firstRetry, this.#socket.timing.longestRetry);
    this.#retryTimer = setTimeout(() => this.#connect(), 0);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get position(): Position | null {
    return this.#position;
  }

  pause(): void {
    this.#disconnect();
    if (!this.#isOver) {
      this.#enter("offline");
    }
  }

  resume(): void {
    if (!this.#isOver && this.#leave === null) {
      clearTimeout(this.#retryTimer);
      this.#backoff.reset();
      this.#connect();
    }
  }

  stop(): void {
    this.#isOver = true;
    this.#state = "offline";
    this.#disconnect();
  }

  #connect(): void {
    this.#enter("connecting");
    if (this.#isOver || this.#leave !== null) {
      return;
    }
    this.#leave = this.#socket.join({
      walletId: this.#options.walletId,
      after: this.#position?.cursor ?? null,
      connected: () => {
        this.#connectedAt = performance.now();
        if (this.#position !== null) {
          this.#enter("catching-up");
        }
      },
      data: (data) => this.#receive(data),
      ended: (failure) => this.#recover(failure),
    });
  }

  #disconnect(): void {
    clearTimeout(this.#retryTimer);
    this.#leave?.();
    this.#leave = null;
    const lasted = this.#connectedAt === null ? 0 : performance.now() - this.#connectedAt;
    if (lasted >= this.#socket.timing.steady) {
      this.#backoff.reset();
    }
    this.#connectedAt = null;
  }

  #receive(data: unknown): void {
    let received: Received;
    try {
      received = parseUpdate(data);
    } catch (error) {
      this.#giveUp(error instanceof WatchError ? error : new WatchError("malformed", String(error)));
      return;
    }
    this.#refusedTokens = 0;
    const update = judge(received, this.#position);
    if (update === "gap") {
      this.#recover(unreachable("An update was missing."));
    } else if (update !== "seen") {
      this.#deliver(update);
    }
  }

  #deliver(update: WalletUpdate): void {
    const leave = this.#leave;
    if (!this.#call(() => this.#options.onUpdate(update))) {
      return;
    }
    this.#position = update.position;
    // Unless the callback itself stopped or paused.
    if (update.kind === "SNAPSHOT" && this.#leave === leave) {
      this.#enter("live");
    }
  }

  /** After a subscription that ended by itself, or must: try again, unless that cannot help. */
  #recover(failure: Failure): void {
    this.#disconnect();
    this.#refusedTokens += failure.then === "new-token" ? 1 : 0;
    if (failure.then === "give-up" || this.#refusedTokens >= TOKENS_IN_A_ROW) {
      this.#giveUp(failure.error);
      return;
    }
    this.#retryTimer = setTimeout(() => this.#connect(), Math.max(this.#backoff.next(), failure.retryAfter ?? 0));
    this.#enter("offline", failure.error);
  }

  #giveUp(error: WatchError): void {
    if (this.#isOver) {
      return;
    }
    this.#disconnect();
    this.#enter("offline", error);
    if (!this.#isOver) {
      this.stop();
      // Not from within the socket's own callbacks, which would swallow what it throws.
      queueMicrotask(() => this.#options.onEnd(error));
    }
  }

  #enter(state: ConnectionState, reason?: WatchError): void {
    if (state !== this.#state) {
      this.#state = state;
      this.#call(() => this.#options.onState?.(state, reason));
    }
  }

  /** Whether it returned. Where it throws, that is the end of the watch. */
  #call(callback: () => void): boolean {
    try {
      callback();
      return true;
    } catch (error) {
      this.#giveUp(new WatchError("callback", "A callback of the watch threw.", undefined, { cause: error }));
      return false;
    }
  }
}

function checked(position: Position): Position {
  if (!isSequence(position.sequence)) {
    throw new TypeError(`A position's sequence is a whole number as a string, not ${position.sequence}`);
  }
  return position;
}
