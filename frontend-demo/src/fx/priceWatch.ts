import type { Trouble } from "../graphql/client.js";
import { isWorthRepeating, pauseAfter } from "../paycore-pay/index.js";
import type { Quote } from "./queries.js";

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** What one question for a price came to. */
export type PriceAnswer =
  | { readonly kind: "quoted"; readonly quote: Quote }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "failed"; readonly trouble: Trouble };

export interface Offer {
  readonly quote: Quote;
  /** When its time is over, in milliseconds since 1970 by this browser's clock. Never later than by the service's. */
  readonly endsAt: number;
  /** Whether its amounts differ from those that were shown before it, and since when it is shown. */
  readonly isChanged: boolean;
  readonly shownAt: number;
}

/** What a page knows of a price. */
export interface Price {
  /** Null while there is none that is valid. */
  readonly offer: Offer | null;
  readonly isAsking: boolean;
  /** Why there is no price, in codes of the service. */
  readonly problem: Refusal | null;
  /** It asks no further by itself. */
  readonly isResting: boolean;
}

export const NO_PRICE: Price = { offer: null, isAsking: false, problem: null, isResting: false };

/** The next price is asked for before the present one is over, so that there is always one. */
const LEAD_MILLISECONDS = 3_000;
/** However short prices are valid. */
const LEAST_PAUSE_MILLISECONDS = 1_000;
/** What may change by itself, such as a rate that is missing, is asked again. */
const REFUSED_PAUSE_MILLISECONDS = 15_000;
const MAY_CHANGE = new Set(["RATE_UNAVAILABLE", "LIQUIDITY_EXHAUSTED"]);
/** A form that nobody touches does not ask for ever: each quote is kept in the ledger. */
const MOST_QUESTIONS = 20;
/** So long after a change of the amounts nobody has read them. */
export const UNREAD_MILLISECONDS = 800;

/** Whether the offer can be taken now. */
export function isOpen(offer: Offer | null, now = Date.now()): offer is Offer {
  return offer !== null && now < offer.endsAt;
}

/** Whether the amounts have just changed, so that a press was meant for the earlier ones. */
export function isUnread({ isChanged, shownAt }: Offer, now = Date.now()): boolean {
  return isChanged && now - shownAt < UNREAD_MILLISECONDS;
}

/** Keeps one price fresh while the page is visible. */
export class PriceWatch {
  readonly #ask: () => Promise<PriceAnswer>;
  readonly #onChange: (price: Price) => void;
  #price: Price = NO_PRICE;
  #isStopped = false;
  #isDue = false;
  #questions = 0;
  #failures = 0;
  /** The last amounts that were shown. */
  #shown: Quote | null = null;
  #next: ReturnType<typeof setTimeout> | undefined;
  #end: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: () => Promise<PriceAnswer>, onChange: (price: Price) => void) {
    this.#ask = ask;
    this.#onChange = onChange;
  }

  start(): void {
    document.addEventListener("visibilitychange", this.#onVisible);
    void this.#run();
  }

  stop(): void {
    this.#isStopped = true;
    this.#clear();
    document.removeEventListener("visibilitychange", this.#onVisible);
  }

  /** Somebody wants a price now. */
  again(): void {
    this.#questions = 0;
    if (!this.#price.isAsking) {
      void this.#run();
    }
  }

  async #run(): Promise<void> {
    clearTimeout(this.#next);
    this.#isDue = document.hidden;
    if (this.#isDue) {
      return;
    }
    this.#questions += 1;
    this.#enter({ isAsking: true, isResting: false });
    const askedAt = Date.now();
    const answer = await this.#ask();
    if (!this.#isStopped) {
      this.#learn(answer, askedAt);
    }
  }

  #learn(answer: PriceAnswer, askedAt: number): void {
    this.#failures = answer.kind === "failed" ? this.#failures + 1 : 0;
    switch (answer.kind) {
      case "quoted": {
        // The service made it after it was asked, so it is valid at least so long.
        const lasts = Date.parse(answer.quote.expiresAt) - Date.parse(answer.quote.createdAt);
        this.#offer(answer.quote, askedAt + lasts);
        this.#later(askedAt + lasts - Math.min(LEAD_MILLISECONDS, lasts / 3) - Date.now());
        break;
      }
      case "refused":
        clearTimeout(this.#end);
        this.#enter({ offer: null, isAsking: false, problem: answer.refusal });
        if (MAY_CHANGE.has(answer.refusal.code)) {
          this.#later(REFUSED_PAUSE_MILLISECONDS);
        }
        break;
      case "failed":
        // The present offer stays for as long as it is valid.
        this.#enter({ isAsking: false, problem: answer.trouble });
        if (isWorthRepeating(answer.trouble)) {
          this.#later(pauseAfter(this.#failures, answer.trouble));
        }
    }
  }

  #offer(quote: Quote, endsAt: number): void {
    const isChanged = this.#shown !== null && amountsOf(this.#shown) !== amountsOf(quote);
    this.#shown = quote;
    this.#enter({ offer: { quote, endsAt, isChanged, shownAt: Date.now() }, isAsking: false, problem: null });
    clearTimeout(this.#end);
    this.#end = setTimeout(() => this.#enter({ offer: null }), Math.max(0, endsAt - Date.now()));
  }

  #later(milliseconds: number): void {
    if (this.#questions >= MOST_QUESTIONS) {
      this.#enter({ isResting: true });
      return;
    }
    this.#next = setTimeout(() => void this.#run(), Math.max(LEAST_PAUSE_MILLISECONDS, milliseconds));
  }

  readonly #onVisible = (): void => {
    if (!document.hidden && this.#isDue) {
      void this.#run();
    }
  };

  #clear(): void {
    clearTimeout(this.#next);
    clearTimeout(this.#end);
  }

  #enter(change: Partial<Price>): void {
    this.#price = { ...this.#price, ...change };
    this.#onChange(this.#price);
  }
}

function amountsOf({ source, target, total }: Quote): string {
  return [source, target, total].map(({ amount }) => amount).join(" ");
}
