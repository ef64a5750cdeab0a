interface Options {
  /** Called with each load that failed. */
  readonly onFailed: () => void;
  /** Resolves when another try makes sense. */
  readonly untilReturn: () => Promise<void>;
  /** The service answers, and yet the code cannot be loaded. */
  readonly onLost: () => void;
}

const MOST_TRIES = 3;

/** Code that is loaded once. A load that fails is tried again when the service answers. */
export class Chunk<Code> {
  readonly #load: () => Promise<Code>;
  readonly #options: Options;
  readonly #listeners = new Set<() => void>();
  #code: Code | null = null;
  #isLoading = false;

  constructor(load: () => Promise<Code>, options: Options) {
    this.#load = load;
    this.#options = options;
  }

  /** Null until it is there. */
  get code(): Code | null {
    return this.#code;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Load it, unless it is there or on its way. Never rejects. */
  async start(): Promise<void> {
    if (this.#isLoading || this.#code !== null) {
      return;
    }
    this.#isLoading = true;
    for (let tries = 1; this.#code === null && tries <= MOST_TRIES; tries += 1) {
      try {
        this.#code = await this.#load();
      } catch {
        const returned = this.#options.untilReturn();
        this.#options.onFailed();
        await returned;
      }
    }
    this.#isLoading = false;
    if (this.#code === null) {
      this.#options.onLost();
    }
    this.#listeners.forEach((listener) => listener());
  }
}
