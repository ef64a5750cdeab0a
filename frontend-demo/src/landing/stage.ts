import { now, type Arrival } from "../live/feed.js";
import type { Money } from "../money/format.js";
import { prefersStillness } from "../ui/motion.js";

/** An amount on its way from one phone to the other. */
export interface Flight {
  readonly entryId: string;
  readonly amount: Money;
  readonly isRightward: boolean;
}

export interface StageState {
  /** Different transactions that arrived on the phones since this page was loaded. */
  readonly settled: number;
  /** The newest entries that arrived, for the median of their times. */
  readonly entryIds: readonly string[];
  readonly flights: readonly Flight[];
}

const KEPT_ENTRIES = 50;
const MOST_FLIGHTS = 3;
/** What arrived longer ago, as before the page was left and opened again, does not fly. */
const FRESH_MILLISECONDS = 1_500;

/** What happens on both phones together. */
export class Stage {
  readonly #listeners = new Set<() => void>();
  readonly #entries = new Set<string>();
  readonly #transactions = new Set<string>();
  #state: StageState = { settled: 0, entryIds: [], flights: [] };

  get state(): StageState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** A phone's arrivals, newest first; those that it gave before are left out. */
  arrived(arrivals: readonly Arrival[], isRight: boolean, otherWalletId: string): void {
    const known = arrivals.findIndex(({ entry }) => this.#entries.has(entry.id));
    const fresh = known === -1 ? arrivals : arrivals.slice(0, known);
    if (fresh.length === 0) {
      return;
    }
    for (const { entry } of fresh) {
      this.#entries.add(entry.id);
      this.#transactions.add(entry.transaction.id);
    }
    const { entryIds, flights } = this.#state;
    const isSeen = !document.hidden && !prefersStillness();
    const taken = fresh.filter((arrival) => isSeen && isFlying(arrival, otherWalletId));
    this.#enter({
      settled: this.#transactions.size,
      entryIds: [...fresh.map(({ entry }) => entry.id), ...entryIds].slice(0, KEPT_ENTRIES),
      flights: [...flights, ...taken.map(({ entry }) => ({ entryId: entry.id, amount: entry.amount, isRightward: isRight }))].slice(-MOST_FLIGHTS),
    });
  }

  landed(entryId: string): void {
    this.#enter({ flights: this.#state.flights.filter((flight) => flight.entryId !== entryId) });
  }

  #enter(change: Partial<StageState>): void {
    this.#state = { ...this.#state, ...change };
    this.#listeners.forEach((listener) => listener());
  }
}

/** It came from the other phone, just now, over a live connection. */
function isFlying({ entry, arrivedAt, isCaughtUp }: Arrival, otherWalletId: string): boolean {
  const isFromThere = entry.direction === "CREDIT" && entry.transaction.sender?.walletId === otherWalletId;
  return isFromThere && !isCaughtUp && now() - arrivedAt < FRESH_MILLISECONDS;
}
