import { now } from "./feed.js";

export type LiveState = "live" | "catching-up" | "offline";

/** What keeps connections of its own: a hub. */
export interface Member {
  /** Null where it needs no connection now. */
  readonly state: LiveState | null;
  /** Connect now what waits for its next try. */
  resume(): void;
}

export interface ConnectionView {
  /** Of the page as a whole; null where nothing needs a live connection. */
  readonly state: LiveState | null;
  /** Milliseconds since 1970; null while nothing is lost. What is shown may be older than the ledger since then. */
  readonly lostAt: number | null;
  /** When the service is asked again; null while it is being asked, and while nothing is lost. */
  readonly nextTryAt: number | null;
}

interface Options {
  /** Whether the service answers. Never rejects. */
  readonly probe: () => Promise<boolean>;
}

const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 10_000;
/** Tries with the shortest pause: an outage of about a minute ends within a second of the service's return. */
const QUICK_TRIES = 60;
/** A connection that held for so long was a good one: the pauses start from the shortest again. */
const STEADY_MILLISECONDS = 10_000;

/**
 * Whether the service can be reached, for the page as a whole. Everything that fails or succeeds reports here, so all
 * parts of the page say the same, and what waits goes on with the first success.
 */
export class Connection {
  readonly #probe: () => Promise<boolean>;
  readonly #members = new Set<Member>();
  readonly #listeners = new Set<() => void>();
  readonly #returned = new Set<() => void>();
  #view: ConnectionView = { state: null, lostAt: null, nextTryAt: null };
  #lostAt: number | null = null;
  #nextTryAt: number | null = null;
  #isDoubted = false;
  /** A try has failed since then. */
  #isDown = false;
  #isTrying = false;
  #tries = 0;
  #answeredAt = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ probe }: Options) {
    this.#probe = probe;
  }

  get view(): ConnectionView {
    return this.#view;
  }

  /** Something failed, and nothing has succeeded since. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  /** A request or a connection failed because the service was not reached. */
  readonly failed = (): void => {
    this.#lostAt ??= now();
    if (!this.#isDoubted) {
      this.#isDoubted = true;
      // A service that answers but does not keep the connection must not be asked without a pause.
      const isSteady = now() - this.#answeredAt >= STEADY_MILLISECONDS;
      this.#tries = isSteady ? 0 : this.#tries;
      this.#tryIn(isSteady ? 0 : this.#pause());
    }
    this.changed();
  };

  /** The service answered, whatever was asked. */
  readonly succeeded = (): void => {
    if (this.#isDoubted) {
      this.#isDoubted = false;
      this.#isDown = false;
      this.#answeredAt = now();
      clearTimeout(this.#timer);
      this.#nextTryAt = null;
      this.resume();
      [...this.#returned].forEach((listener) => listener());
    }
    this.changed();
  };

  /** Ask the service now instead of later. */
  readonly tryNow = (): void => {
    if (this.#isDoubted) {
      this.#tryIn(0);
    }
  };

  /** Connect now what waits for its next try. */
  readonly resume = (): void => {
    this.#members.forEach((member) => member.resume());
    this.tryNow();
  };

  /** `listener` is called whenever the service answers again. */
  readonly onReturn = (listener: () => void): (() => void) => {
    this.#returned.add(listener);
    return () => this.#returned.delete(listener);
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** A member's state may be another one. */
  readonly changed = (): void => {
    const state = this.#isDown ? "offline" : worst([...this.#members].map((member) => member.state));
    if (!this.#isDoubted && (state === null || state === "live")) {
      this.#lostAt = null;
    }
    const view = { state, lostAt: this.#lostAt, nextTryAt: this.#nextTryAt };
    const { state: before, lostAt, nextTryAt } = this.#view;
    if (view.state !== before || view.lostAt !== lostAt || view.nextTryAt !== nextTryAt) {
      this.#view = view;
      this.#listeners.forEach((listener) => listener());
    }
  };

  #tryIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (milliseconds === 0) {
      this.#nextTryAt = null;
      void this.#try();
    } else {
      this.#nextTryAt = now() + milliseconds;
      this.#timer = setTimeout(() => this.#tryIn(0), milliseconds);
    }
    this.changed();
  }

  async #try(): Promise<void> {
    if (this.#isTrying) {
      return;
    }
    this.#isTrying = true;
    this.#tries += 1;
    const isThere = await this.#probe();
    this.#isTrying = false;
    if (isThere) {
      this.succeeded();
    } else if (this.#isDoubted) {
      this.#isDown = true;
      this.#tryIn(this.#pause());
    }
  }

  /** Cut by up to a quarter at random, so that not all pages ask a service that restarts at the same moment. */
  #pause(): number {
    const longest = FIRST_PAUSE_MILLISECONDS * 2 ** Math.max(0, this.#tries - QUICK_TRIES);
    return Math.min(LONGEST_PAUSE_MILLISECONDS, longest) * (0.75 + Math.random() / 4);
  }
}

/** Of all connections together; null where none is needed. */
export function worst(states: readonly (LiveState | null)[]): LiveState | null {
  return (["offline", "catching-up", "live"] as const).find((state) => states.includes(state)) ?? null;
}
