import { createClient, type Client } from "graphql-ws/client";
import { failureOf, failureOfClose, unreachable, type Failure } from "./errors.js";
import type { Timing, WebSocketClass } from "./types.js";
import { WATCH_DOCUMENT } from "./updates.js";

export interface LineOptions {
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly webSocketImpl: WebSocketClass;
  readonly timing: Timing;
}

/** A subscription on a line. */
export interface Member {
  readonly walletId: string;
  /** The cursor to go on from; null for the present. */
  readonly after: string | null;
  /** The socket is acknowledged and the subscription sent. */
  connected(): void;
  /** `data` of one result, as it came. */
  data(data: unknown): void;
  /** It is over, and not because it left. */
  ended(failure: Failure): void;
}

/**
 * One connection, with as many subscriptions as join it: asks for a token, connects, subscribes each, and ends for all with whatever
 * happens first. It never tries again: graphql-ws would, but with the cursors and the token that it started with.
 */
export class Line {
  readonly #options: LineOptions;
  readonly #members = new Map<Member, () => void>();
  #isOver = false;
  #isSpent = false;
  #isConnected = false;
  #connectTimer: ReturnType<typeof setTimeout> | undefined;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;
  #client: Client | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    this.#connectTimer = setTimeout(() => {
      this.#end(unreachable("Connecting took too long."));
    }, options.timing.connect);
    void this.#start();
  }

  /** Whether another subscription may join: it is neither over, nor was its token refused. */
  get isUsable(): boolean {
    return !this.#isOver && !this.#isSpent;
  }

  /** Nothing is told before this returns. */
  join(member: Member): void {
    this.#members.set(member, () => undefined);
    if (this.#client !== undefined) {
      this.#subscribe(this.#client, member);
    }
    if (this.#isConnected) {
      queueMicrotask(() => this.#tell(member, () => member.connected()));
    }
  }

  /** Nothing is told to it any more, not even `ended`. The last one to leave closes the connection. */
  leave(member: Member): void {
    this.#members.get(member)?.();
    this.#members.delete(member);
    if (this.#members.size === 0) {
      this.#close();
    }
  }

  async #start(): Promise<void> {
    let token: string;
    try {
      token = await this.#options.token();
    } catch (error) {
      this.#end(unreachable("There was no token.", error));
      return;
    }
    if (!this.#isOver) {
      const client = this.#connect(token);
      [...this.#members.keys()].forEach((member) => this.#subscribe(client, member));
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
          this.#isConnected = true;
          [...this.#members.keys()].forEach((member) => this.#tell(member, () => member.connected()));
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

  #subscribe(client: Client, member: Member): void {
    const { walletId, after } = member;
    const variables = after === null ? { walletId } : { walletId, after };
    const unsubscribe = client.subscribe<unknown>(
      { query: WATCH_DOCUMENT, variables },
      {
        next: (result) => {
          if (result.errors !== undefined) {
            this.#drop(member, failureOf(result.errors));
          } else {
            this.#tell(member, () => member.data(result.data));
          }
        },
        error: (error) => this.#drop(member, failureOf(error)),
        complete: () => this.#drop(member, unreachable("The subscription was completed by the service.")),
      },
    );
    this.#members.set(member, unsubscribe);
  }

  #awaitPong(): void {
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => {
      this.#end(unreachable("The connection fell silent."));
    }, this.#options.timing.pong);
  }

  #tell(member: Member, event: () => void): void {
    if (this.#members.has(member)) {
      event();
    }
  }

  /** One subscription is over; the others go on. */
  #drop(member: Member, failure: Failure): void {
    this.#tell(member, () => {
      this.#isSpent ||= failure.then === "new-token";
      this.leave(member);
      member.ended(failure);
    });
  }

  #end(failure: Failure): void {
    if (!this.#isOver) {
      const members = [...this.#members.keys()];
      members.forEach((member) => this.leave(member));
      this.#close();
      members.forEach((member) => member.ended(failure));
    }
  }

  #close(): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#pongTimer);
    // graphql-ws closes an acknowledged socket in a microtask, properly; this one takes care of its timers and of
    // sockets that still connect or do not answer.
    queueMicrotask(() => this.#client?.terminate());
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
