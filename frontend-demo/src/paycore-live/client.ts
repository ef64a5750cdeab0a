import { Backoff } from "./backoff.js";
import { WatchError, unreachable, type Failure } from "./errors.js";
import { Session, type SessionOptions } from "./session.js";
import type { ConnectionState, Position, Timing, WalletUpdate, WebSocketClass } from "./types.js";
import { isSequence, judge, parseUpdate, type Received } from "./updates.js";

export interface WatchOptions {
  /** Of the GraphQL endpoint: wss://…/graphql. */
  readonly url: string;
  readonly walletId: string;
  /** Asked at each connect. Where it rejects, the watch tries again later. */
  readonly token: () => Promise<string>;
  /** Go on from here; without it, start from a snapshot of the present. */
  readonly after?: Position;
  /** Called with each update, one after the other. Where it throws, the watch ends, and the update counts as not seen. */
  readonly onUpdate: (update: WalletUpdate) => void;
  /** Called when the state changes; `reason` tells why it is offline. */
  readonly onState?: (state: ConnectionState, reason?: WatchError) => void;
  /** The watch has ended by itself: trying again would not help. Called at most once, and last. */
  readonly onEnd: (error: WatchError) => void;
  /** The class to make sockets with; needed where there is no global one, as in Node before 22. */
  readonly webSocketImpl?: WebSocketClass;
  readonly timing?: Partial<Timing>;
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

const TIMING: Timing = { firstRetry: 500, longestRetry: 15_000, connect: 10_000, ping: 15_000, pong: 5_000, steady: 10_000 };
const TOKENS_IN_A_ROW = 2;

/** Watch one wallet until `stop`. No callback comes before this returns. Throws TypeError for options that cannot work. */
export function watchWallet(options: WatchOptions): WalletWatch {
  return new Watch(options);
}

class Watch implements WalletWatch {
  readonly #options: WatchOptions;
  readonly #sessionOptions: SessionOptions;
  readonly #backoff: Backoff;
  #state: ConnectionState = "offline";
  #position: Position | null;
  #isOver = false;
  #session: Session | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #connectedAt: number | null = null;
  #refusedTokens = 0;

  constructor(options: WatchOptions) {
    const { url, walletId, token, after } = options;
    const timing = { ...TIMING, ...options.timing };
    this.#options = options;
    this.#sessionOptions = { url: webSocketUrl(url), walletId, token, timing, webSocketImpl: webSocketClass(options) };
    this.#position = after === undefined ? null : checked(after);
    this.#backoff = new Backoff(timing.firstRetry, timing.longestRetry);
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
    if (!this.#isOver && this.#session === null) {
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
    if (this.#isOver || this.#session !== null) {
      return;
    }
    this.#session = new Session(this.#sessionOptions, this.#position?.cursor ?? null, {
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
    this.#session?.close();
    this.#session = null;
    const lasted = this.#connectedAt === null ? 0 : performance.now() - this.#connectedAt;
    if (lasted >= this.#sessionOptions.timing.steady) {
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
    const session = this.#session;
    if (!this.#call(() => this.#options.onUpdate(update))) {
      return;
    }
    this.#position = update.position;
    // Unless the callback itself stopped or paused.
    if (update.kind === "SNAPSHOT" && this.#session === session) {
      this.#enter("live");
    }
  }

  /** After a session that ended by itself, or must: try again, unless that cannot help. */
  #recover(failure: Failure): void {
    this.#disconnect();
    this.#refusedTokens += failure.then === "new-token" ? 1 : 0;
    if (failure.then === "give-up" || this.#refusedTokens >= TOKENS_IN_A_ROW) {
      this.#giveUp(failure.error);
      return;
    }
    this.#retryTimer = setTimeout(() => this.#connect(), this.#backoff.next());
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

function webSocketUrl(url: string): string {
  const { protocol } = new URL(url);
  if (protocol !== "ws:" && protocol !== "wss:") {
    throw new TypeError(`The url of a watch begins with ws: or wss:, not ${protocol}`);
  }
  return url;
}

function webSocketClass(options: WatchOptions): WebSocketClass {
  const found = options.webSocketImpl ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (found === undefined) {
    throw new TypeError("There is no WebSocket here: pass webSocketImpl, such as that of the package ws.");
  }
  return found;
}

function checked(position: Position): Position {
  if (!isSequence(position.sequence)) {
    throw new TypeError(`A position's sequence is a whole number as a string, not ${position.sequence}`);
  }
  return position;
}
