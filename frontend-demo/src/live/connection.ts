import { now } from "./feed.js";

export type LiveState = "live" | "catching-up" | "offline";

/** A part of the page that has its own connections, such as a hub. */
export interface Member {
  /** Null if it needs no connection now. */
  readonly state: LiveState | null;
  /** Reconnect now, without waiting for the next try. */
  resume(): void;
}

export interface ConnectionView {
  /** The state of the whole page. Null if nothing needs a live connection. */
  readonly state: LiveState | null;
  /** Milliseconds since 1970, or null if nothing is lost. Data on the page may be out of date since then. */
  readonly lostAt: number | null;
  /** When the service is probed again. Null during a probe, and if nothing is lost. */
  readonly nextTryAt: number | null;
}

interface Options {
  /** Resolves to whether the service answers. Never rejects. */
  readonly probe: () => Promise<boolean>;
}

const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 10_000;
/** Tries with the shortest pause. In an outage of up to a minute, the page notices the service's return within a second. */
const QUICK_TRIES = 60;
/** If the service was reachable for this long, the pauses start from the shortest again. */
const STEADY_MILLISECONDS = 10_000;

/**
 * Whether the service is reachable, for the whole page. Each request and socket reports its failures and successes here.
 * So all parts of the page show the same state, and everything that waits continues after the first success.
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
  /** Whether a probe has failed since the first failure. */
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

  /** Whether something failed and nothing has succeeded since. */
  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  /** Report that a request or a connection did not reach the service. */
  readonly failed = (): void => {
    this.#lostAt ??= now();
    if (!this.#isDoubted) {
      this.#isDoubted = true;
      // Pause between probes if the service answers but closes each connection.
      const isSteady = now() - this.#answeredAt >= STEADY_MILLISECONDS;
      this.#tries = isSteady ? 0 : this.#tries;
      this.#tryIn(isSteady ? 0 : this.#pause());
    }
    this.changed();
  };

  /** Report that the service answered a request. */
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

  /** Probe the service now, without waiting for the next try. */
  readonly tryNow = (): void => {
    if (this.#isDoubted) {
      this.#tryIn(0);
    }
  };

  /** Reconnect now, without waiting for the next try. */
  readonly resume = (): void => {
    this.#members.forEach((member) => member.resume());
    this.tryNow();
  };

  /** Call `listener` each time the service answers again. Returns a function that removes it. */
  readonly onReturn = (listener: () => void): (() => void) => {
    this.#returned.add(listener);
    return () => this.#returned.delete(listener);
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Compute the view again, because a member's state may have changed. */
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

  /** Shortened at random by up to a quarter, so that not all pages probe a restarting service at the same moment. */
  #pause(): number {
    const longest = FIRST_PAUSE_MILLISECONDS * 2 ** Math.max(0, this.#tries - QUICK_TRIES);
    return Math.min(LONGEST_PAUSE_MILLISECONDS, longest) * (0.75 + Math.random() / 4);
  }
}

/** The worst of these states. Null if no connection is needed. */
export function worst(states: readonly (LiveState | null)[]): LiveState | null {
  return (["offline", "catching-up", "live"] as const).find((state) => states.includes(state)) ?? null;
}
