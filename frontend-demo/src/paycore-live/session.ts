import { createClient, type Client } from "graphql-ws/client";
import { failureOf, failureOfClose, unreachable, type Failure } from "./errors.js";
import type { Timing, WebSocketClass } from "./types.js";
import { WATCH_DOCUMENT } from "./updates.js";

export interface SessionOptions {
  readonly url: string;
  readonly walletId: string;
  readonly token: () => Promise<string>;
  readonly webSocketImpl: WebSocketClass;
  readonly timing: Timing;
}

export interface SessionEvents {
  /** The socket is acknowledged and the subscription sent. */
  connected(): void;
  /** `data` of one result, as it came. */
  data(data: unknown): void;
  /** It is over, and not because `close` was called. */
  ended(failure: Failure): void;
}

/**
 * One connection with one subscription: asks for a token, connects, subscribes, and ends with whatever happens first.
 * It never tries again: graphql-ws would, but with the cursor and the token that it started with.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #events: SessionEvents;
  #isOver = false;
  #connectTimer: ReturnType<typeof setTimeout> | undefined;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;
  #client: Client | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: SessionOptions, after: string | null, events: SessionEvents) {
    this.#options = options;
    this.#events = events;
    this.#connectTimer = setTimeout(() => {
      this.#end(unreachable("Connecting took too long."));
    }, options.timing.connect);
    void this.#start(after);
  }

  /** End it. Nothing is told any more, not even `ended`. */
  close(): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#pongTimer);
    this.#unsubscribe?.();
    // graphql-ws closes an acknowledged socket in a microtask, properly; this one takes care of its timers and of
    // sockets that still connect or do not answer.
    queueMicrotask(() => this.#client?.terminate());
  }

  async #start(after: string | null): Promise<void> {
    let token: string;
    try {
      token = await this.#options.token();
    } catch (error) {
      this.#end(unreachable("There was no token.", error));
      return;
    }
    if (!this.#isOver) {
      this.#subscribe(this.#connect(token), after);
    }
  }

  #connect(token: string): Client {
    const { url, webSocketImpl, timing } = this.#options;
    this.#client = createClient({
      url,
      webSocketImpl: withErrorListener(webSocketImpl),
      connectionParams: { Authorization: `Bearer ${token}` },
      retryAttempts: 0,
      keepAlive: timing.ping,
      on: {
        connected: () => {
          clearTimeout(this.#connectTimer);
          this.#tell(() => this.#events.connected());
        },
        ping: (isReceived) => {
          if (!isReceived) {
            this.#awaitPong();
          }
        },
        pong: () => clearTimeout(this.#pongTimer),
        // Before graphql-ws acts on them: a normal closure it would answer with a new connection at once.
        closed: (event) => this.#end(failureOfClose(event)),
      },
    });
    return this.#client;
  }

  #subscribe(client: Client, after: string | null): void {
    const variables = after === null ? { walletId: this.#options.walletId } : { walletId: this.#options.walletId, after };
    this.#unsubscribe = client.subscribe<unknown>(
      { query: WATCH_DOCUMENT, variables },
      {
        next: (result) => {
          if (result.errors !== undefined) {
            this.#end(failureOf(result.errors));
          } else {
            this.#tell(() => this.#events.data(result.data));
          }
        },
        error: (error) => this.#end(failureOf(error)),
        complete: () => this.#end(unreachable("The subscription was completed by the service.")),
      },
    );
  }

  #awaitPong(): void {
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => {
      this.#end(unreachable("The connection fell silent."));
    }, this.#options.timing.pong);
  }

  #tell(event: () => void): void {
    if (!this.#isOver) {
      event();
    }
  }

  #end(failure: Failure): void {
    this.#tell(() => {
      this.close();
      this.#events.ended(failure);
    });
  }
}

/**
 * The same class, whose sockets always have someone who listens for errors: the package `ws` ends the process where
 * nobody does, and a socket that is closed while it connects has none left.
 */
function withErrorListener(base: WebSocketClass): WebSocketClass {
  return class extends base {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("error", () => undefined);
    }
  };
}
