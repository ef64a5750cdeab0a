import { LiveSocket, type Position } from "../paycore-live/index.js";
import { worst, type Connection, type LiveState } from "./connection.js";
import { LINGER_MILLISECONDS, WalletFeed } from "./feed.js";
import { SettledFeed } from "./settled.js";

interface Shared {
  readonly feed: WalletFeed;
  users: number;
  linger: ReturnType<typeof setTimeout> | undefined;
}

/** All live connections of one account. */
export class LiveHub {
  readonly settled: SettledFeed;
  readonly #socket: LiveSocket;
  readonly #feeds = new Map<string, Shared>();
  readonly #connection: Connection;

  /** `connection` is the connection of the whole page. The hub adds itself to it. */
  constructor(token: () => Promise<string>, connection: Connection) {
    const url = webSocketUrl();
    this.#connection = connection;
    this.#socket = new LiveSocket({ url, token });
    this.settled = new SettledFeed({ url, token, onChange: connection.changed, onFailed: connection.failed });
    connection.add(this);
  }

  /** The wallet's feed. `after` is the position of the page's query, where the first watch starts. */
  feed(walletId: string, after?: Position): WalletFeed {
    return this.#shared(walletId, after).feed;
  }

  /** Keep the feed running until the returned function is called. */
  retain(walletId: string, after?: Position): () => void {
    const shared = this.#shared(walletId, after);
    shared.users += 1;
    clearTimeout(shared.linger);
    shared.feed.start();
    return () => {
      shared.users -= 1;
      if (shared.users === 0) {
        shared.linger = setTimeout(() => shared.feed.stop(), LINGER_MILLISECONDS);
      }
    };
  }

  /** The worst state of all running connections. Null if there are none. */
  get state(): LiveState | null {
    const feeds = [...this.#feeds.values()].map(({ feed }) => feed);
    const running = [...feeds, this.settled].filter(({ isRunning }) => isRunning);
    return worst(running.map(({ state: { connection } }) => (connection === "connecting" ? "catching-up" : connection)));
  }

  /** When a transaction's entry arrived here, in milliseconds since 1970. Null if it arrived before this page was open. */
  deliveredAt(transactionId: string): number | null {
    for (const { feed } of this.#feeds.values()) {
      const arrival = feed.state.arrivals.find(({ entry }) => entry.transaction.id === transactionId);
      if (arrival !== undefined) {
        return arrival.arrivedAt;
      }
    }
    return this.settled.state.rows.find(({ transaction }) => transaction.id === transactionId)?.arrivedAt ?? null;
  }

  /** Reconnect now, without waiting for the next try. */
  resume(): void {
    this.#feeds.forEach(({ feed }) => feed.resume());
    this.settled.resume();
  }

  #shared(walletId: string, after: Position | undefined): Shared {
    let shared = this.#feeds.get(walletId);
    if (shared === undefined) {
      const options = { socket: this.#socket, walletId, onChange: this.#connection.changed, onFailed: this.#connection.failed };
      shared = { feed: new WalletFeed(options, after), users: 0, linger: undefined };
      this.#feeds.set(walletId, shared);
    }
    return shared;
  }
}

export function webSocketUrl(): string {
  return `${window.location.origin.replace(/^http/, "ws")}/graphql`;
}
