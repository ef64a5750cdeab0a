import type { Attempt, Payload, TransferInput } from "./types.js";

/** Where open payments are kept: `sessionStorage`, `localStorage`, or anything that stores a text at once. */
export interface KeyStorage {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** For programs without a page, and tests. What it keeps is lost with the process. */
export function memoryStorage(): KeyStorage {
  const kept = new Map<string, string>();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

interface Kept {
  readonly input: TransferInput;
  /** How often it was sent. A page that is left and opened again may send it while the first request is still running. */
  readonly sends: number;
}

/**
 * Payments whose outcome is not known yet, kept over a reload. Only an outcome of its own key may remove one: a new key for the same
 * payment could pay it twice.
 */
export class OpenPayments {
  readonly #slot: string;
  readonly #storage: KeyStorage;

  /** `owner` keeps apart the payments of several users or several forms. */
  constructor(owner: string, storage: KeyStorage = pageStorage()) {
    this.#slot = `paycore.open-payments.${owner}`;
    this.#storage = storage;
  }

  /** Oldest first. */
  list(): readonly TransferInput[] {
    return this.#kept().map(({ input }) => input);
  }

  /** Call it before each request with the payment's key. */
  remember(input: TransferInput): void {
    const earlier = this.#kept().find((kept) => isSame(kept, input))?.sends ?? 0;
    this.#keep([...this.#others(input), { input, sends: earlier + 1 }]);
  }

  /** Call it with the answer to a request: it forgets the payment if nothing that was sent for it can still be unknown. */
  conclude(input: TransferInput, { kind }: Attempt<Payload>): void {
    const isOnlySend = (this.#kept().find((kept) => isSame(kept, input))?.sends ?? 1) === 1;
    if (kind === "done" || kind === "refused" || (kind === "stopped" && isOnlySend)) {
      this.#keep(this.#others(input));
    }
  }

  #kept(): readonly Kept[] {
    const text = this.#storage.getItem(this.#slot);
    return text === null ? [] : (JSON.parse(text) as Kept[]);
  }

  #others(input: TransferInput): readonly Kept[] {
    return this.#kept().filter((kept) => !isSame(kept, input));
  }

  #keep(payments: readonly Kept[]): void {
    if (payments.length === 0) {
      this.#storage.removeItem(this.#slot);
    } else {
      this.#storage.setItem(this.#slot, JSON.stringify(payments));
    }
  }
}

function isSame(kept: Kept, { idempotencyKey }: TransferInput): boolean {
  return kept.input.idempotencyKey === idempotencyKey;
}

function pageStorage(): KeyStorage {
  const found = (globalThis as { sessionStorage?: KeyStorage }).sessionStorage;
  if (found === undefined) {
    throw new TypeError("There is no sessionStorage here: pass storage, such as memoryStorage().");
  }
  return found;
}
