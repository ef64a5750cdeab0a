import { createClient } from "graphql-ws";
import { isLost, resumed } from "./resume.js";

/** How many events are kept. The oldest ones go first. */
export const MOST_EVENTS = 100;
const RETRY_MILLISECONDS = 1_000;

export interface Request {
  readonly query: string;
  readonly variables: Record<string, unknown>;
  readonly operationName?: string | null | undefined;
}

export interface StreamEvent {
  /** 1, 2, 3, … in order of arrival. */
  readonly number: number;
  readonly receivedAt: number;
  readonly result: unknown;
}

export interface StreamState {
  readonly status: "idle" | "running" | "waiting" | "ended" | "failed";
  /** The subscription's name; empty if it has none. */
  readonly name: string;
  /** Newest first, at most MOST_EVENTS. */
  readonly events: readonly StreamEvent[];
  /** How many events have arrived. */
  readonly count: number;
  readonly problem: string | null;
}

const IDLE: StreamState = { status: "idle", name: "", events: [], count: 0, problem: null };

/** Runs one subscription at a time and keeps its newest events. It does not depend on GraphiQL's tabs. */
export class Stream {
  #state = IDLE;
  #stop: () => void = () => undefined;
  readonly #listeners = new Set<() => void>();

  readonly state = (): StreamState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Replaces the running subscription. */
  start(request: Request, name: string, headers: Record<string, string>): void {
    this.#stop();
    this.#set({ ...IDLE, name });
    this.#run(request, headers);
  }

  readonly stop = (): void => this.#stop();

  readonly clear = (): void => this.#set({ ...this.#state, events: [] });

  /** It has a socket of its own, because a socket belongs to the token that opened it. */
  #run(request: Request, headers: Record<string, string>): void {
    const client = createClient({ url: socketUrl(), connectionParams: headers, retryAttempts: 0 });
    let isCurrent = true;
    let newest: unknown;
    const end = (change: Partial<StreamState>): void => {
      if (isCurrent) {
        isCurrent = false;
        this.#set({ ...this.#state, ...change });
      }
      void client.dispose();
    };
    this.#set({ ...this.#state, status: this.#state.status === "waiting" ? "waiting" : "running" });
    const unsubscribe = client.subscribe(request, {
      next: (result) => {
        if (isCurrent) {
          newest = result;
          this.#add(result);
        }
      },
      error: (error) => {
        const isWanted = isCurrent && isLost(error);
        end(isWanted ? { status: "waiting" } : { status: "failed", problem: textOf(error) });
        if (isWanted) {
          this.#later(() => this.#run(resumed(request, newest), headers));
        }
      },
      complete: () => end({ status: "ended" }),
    });
    this.#stop = () => {
      end({ status: "ended" });
      unsubscribe();
    };
  }

  /** Stopping it meanwhile ends the subscription. */
  #later(again: () => void): void {
    const timer = setTimeout(again, RETRY_MILLISECONDS);
    this.#stop = () => {
      clearTimeout(timer);
      this.#set({ ...this.#state, status: "ended" });
      this.#stop = () => undefined;
    };
  }

  #add(result: unknown): void {
    const { count, events } = this.#state;
    const event = { number: count + 1, receivedAt: Date.now(), result };
    this.#set({ ...this.#state, status: "running", count: count + 1, events: [event, ...events].slice(0, MOST_EVENTS) });
  }

  #set(state: StreamState): void {
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }
}

function socketUrl(): string {
  const url = new URL("/graphql", window.location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

/** What the service refused the operation with, or why the socket closed. */
function textOf(error: unknown): string {
  if (Array.isArray(error)) {
    return error.map((one: { message?: string }) => one.message ?? "").join(" ");
  }
  if (error instanceof CloseEvent && error.reason !== "") {
    return error.reason;
  }
  return error instanceof Error ? error.message : "The connection was lost.";
}
