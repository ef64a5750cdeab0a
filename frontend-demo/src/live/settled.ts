import { stringifyDocument } from "@urql/core";
import { createClient, type Client } from "graphql-ws";
import { graphql, type ResultOf } from "../graphql/tada.js";
import type { ConnectionState } from "../paycore-live/index.js";
import { LINGER_MILLISECONDS, now } from "./feed.js";

export const SETTLED = graphql(`
  subscription Settled {
    transactionSettled {
      missed
      transaction {
        id type status description failureCode createdAt completedAt
        amount { amount currency }
        sender { walletId displayName }
        receiver { walletId displayName }
      }
    }
  }
`);

export type SettledTransaction = ResultOf<typeof SETTLED>["transactionSettled"]["transaction"];

export interface SettledRow {
  readonly transaction: SettledTransaction;
  readonly arrivedAt: number;
}

export interface SettledState {
  readonly connection: ConnectionState;
  /** Newest first, at most KEPT_ROWS. */
  readonly rows: readonly SettledRow[];
  /** How many transactions arrived, and in `missed` how many the service left out because this subscriber was too slow. */
  readonly count: number;
  readonly missed: number;
}

interface SettledOptions {
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly onChange: () => void;
  /** Called if the connection is lost or cannot be opened. */
  readonly onFailed: () => void;
}

const KEPT_ROWS = 60;
const NOTIFY_EVERY_MILLISECONDS = 100;
const LONGEST_PAUSE_MILLISECONDS = 5_000;

/** All users' transactions as they settle, for administrators. Transactions that settle while it is disconnected are missing. */
export class SettledFeed {
  readonly #options: SettledOptions;
  readonly #listeners = new Set<() => void>();
  #client: Client | null = null;
  #users = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #state: SettledState = { connection: "offline", rows: [], count: 0, missed: 0 };
  #isNotifying = false;
  /** Ends the pause before the next try at once. */
  #wake = (): void => undefined;

  constructor(options: SettledOptions) {
    this.#options = options;
  }

  get state(): SettledState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#client !== null;
  }

  /** Keep it running. It stops after every caller has called the function that it got. */
  retain(): () => void {
    this.#users += 1;
    clearTimeout(this.#linger);
    if (this.#client === null) {
      this.#start();
    }
    return () => {
      this.#users -= 1;
      if (this.#users === 0) {
        this.#linger = setTimeout(() => this.#stop(), LINGER_MILLISECONDS);
      }
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Reconnect now, without waiting for the next try. */
  resume(): void {
    this.#wake();
  }

  #stop(): void {
    const client = this.#client;
    this.#client = null;
    void client?.dispose();
    this.#wake();
    this.#enter({ connection: "offline" });
  }

  #start(): void {
    const { url, token, onFailed } = this.#options;
    this.#client = createClient({
      url,
      connectionParams: async () => ({ Authorization: `Bearer ${await token()}` }),
      retryAttempts: Infinity,
      shouldRetry: () => true,
      retryWait: (retries) => this.#pause(Math.min(LONGEST_PAUSE_MILLISECONDS, 250 * 2 ** retries) * (0.5 + Math.random() / 2)),
      keepAlive: 15_000,
      on: {
        connecting: () => this.#enter({ connection: "connecting" }),
        connected: () => this.#enter({ connection: "live" }),
        closed: () => {
          this.#enter({ connection: "offline" });
          if (this.#client !== null) {
            onFailed();
          }
        },
      },
    });
    this.#client.subscribe<ResultOf<typeof SETTLED>>(
      { query: stringifyDocument(SETTLED) },
      {
        next: ({ data }) => {
          if (data) {
            const { rows, count, missed } = this.#state;
            const { transaction, missed: left } = data.transactionSettled;
            const row = { transaction, arrivedAt: now() };
            this.#enter({ rows: [row, ...rows].slice(0, KEPT_ROWS), count: count + 1, missed: missed + left });
          }
        },
        error: () => this.#enter({ connection: "offline" }),
        complete: () => undefined,
      },
    );
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #enter(change: Partial<SettledState>): void {
    this.#state = { ...this.#state, ...change };
    if (!this.#isNotifying) {
      this.#isNotifying = true;
      setTimeout(() => {
        this.#isNotifying = false;
        this.#listeners.forEach((listener) => listener());
        this.#options.onChange();
      }, NOTIFY_EVERY_MILLISECONDS);
    }
  }
}
