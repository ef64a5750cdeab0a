/**
 * Pauses that double up to a bound. Each is cut by up to half at random, so that the many clients of a server that
 * restarts do not all come back at once.
 */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  #next: number;

  constructor(first: number, longest: number) {
    this.#first = Math.min(first, longest);
    this.#longest = longest;
    this.#next = this.#first;
  }

  /** The pause before the next try, in milliseconds. */
  next(): number {
    const pause = this.#next;
    this.#next = Math.min(this.#longest, pause * 2);
    return pause * (0.5 + Math.random() / 2);
  }

  /** It went well: the next pause is the shortest again. */
  reset(): void {
    this.#next = this.#first;
  }
}
