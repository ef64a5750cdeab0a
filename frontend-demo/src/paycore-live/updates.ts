import { WatchError } from "./errors.js";
import type { LedgerEntry, Money, Party, Position, Transaction, Wallet, WalletUpdate } from "./types.js";

/** Only balances? Leave `transaction` out, here and in the types: the service then passes entries on without a read. */
export const WATCH_DOCUMENT = /* GraphQL */ `
  subscription WatchWallet($walletId: ID!, $after: String) {
    walletUpdated(walletId: $walletId, after: $after) {
      kind
      cursor
      wallet {
        id name currency status sequence
        balance { amount currency }
        available { amount currency }
      }
      entry {
        id sequence direction createdAt
        amount { amount currency }
        balanceAfter { amount currency }
        transaction {
          id type description
          sender { walletId displayName }
          receiver { walletId displayName }
        }
      }
    }
  }
`;

/** An update as it came, before it is known whether it is the next one. */
export interface Received {
  /** Kinds that are not known here are to be passed over: the contract may grow. */
  readonly kind: string;
  readonly cursor: string;
  readonly wallet: Wallet;
  readonly entry: LedgerEntry | null;
}

/** The update that the subscription's `data` holds. Throws a WatchError where it holds none. */
export function parseUpdate(data: unknown): Received {
  const update = new Fields(data, "data").object("walletUpdated");
  const kind = update.text("kind");
  return {
    kind,
    cursor: update.text("cursor"),
    wallet: parseWallet(update.object("wallet")),
    entry: kind === "ENTRY" ? parseEntry(update.object("entry")) : null,
  };
}

/**
 * The update to deliver to one who stands at `position` (null: nowhere yet); "seen" where there is nothing new in it;
 * "gap" where something is missing before it.
 */
export function judge(received: Received, position: Position | null): WalletUpdate | "seen" | "gap" {
  const { kind, cursor, wallet, entry } = received;
  const here = position === null ? null : BigInt(position.sequence);
  if (kind === "ENTRY" && entry !== null) {
    const sequence = BigInt(entry.sequence);
    if (here !== null && sequence <= here) {
      return "seen";
    }
    const isNext = here !== null && sequence === here + 1n;
    return isNext ? { kind, wallet, entry, position: { cursor, sequence: entry.sequence } } : "gap";
  }
  if (kind === "SNAPSHOT") {
    const fits = here === null || BigInt(wallet.sequence) === here;
    return fits ? { kind, wallet, entry: null, position: { cursor, sequence: wallet.sequence } } : "gap";
  }
  if (kind === "STATE" && position !== null && here !== null) {
    return BigInt(wallet.sequence) < here ? "seen" : { kind, wallet, entry: null, position };
  }
  return "seen";
}

/** Whether it is a 64-bit integer, zero or more, as the service writes it. */
export function isSequence(text: string): boolean {
  return /^\d{1,19}$/.test(text);
}

function parseWallet(fields: Fields): Wallet {
  return {
    id: fields.text("id"),
    name: fields.text("name"),
    currency: fields.text("currency"),
    status: fields.text("status"),
    sequence: fields.integer("sequence"),
    balance: parseMoney(fields.object("balance")),
    available: parseMoney(fields.object("available")),
  };
}

function parseEntry(fields: Fields): LedgerEntry {
  const direction = fields.text("direction");
  if (direction !== "DEBIT" && direction !== "CREDIT") {
    throw fields.malformed("direction");
  }
  return {
    id: fields.text("id"),
    sequence: fields.integer("sequence"),
    direction,
    amount: parseMoney(fields.object("amount")),
    balanceAfter: parseMoney(fields.object("balanceAfter")),
    createdAt: fields.text("createdAt"),
    transaction: parseTransaction(fields.object("transaction")),
  };
}

function parseTransaction(fields: Fields): Transaction {
  return {
    id: fields.text("id"),
    type: fields.text("type"),
    description: fields.isNull("description") ? null : fields.text("description"),
    sender: fields.isNull("sender") ? null : parseParty(fields.object("sender")),
    receiver: fields.isNull("receiver") ? null : parseParty(fields.object("receiver")),
  };
}

function parseParty(fields: Fields): Party {
  return { walletId: fields.text("walletId"), displayName: fields.text("displayName") };
}

function parseMoney(fields: Fields): Money {
  return { amount: fields.text("amount"), currency: fields.text("currency") };
}

/** The members of a JSON object, each of which must be what it is asked for as. */
class Fields {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null) {
      throw new WatchError("malformed", `An update came without ${path}.`);
    }
    this.#members = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  isNull(name: string): boolean {
    return this.#members[name] === null;
  }

  object(name: string): Fields {
    return new Fields(this.#members[name], `${this.#path}.${name}`);
  }

  text(name: string): string {
    const value = this.#members[name];
    if (typeof value !== "string") {
      throw this.malformed(name);
    }
    return value;
  }

  /** A string still: a 64-bit integer does not fit a Number. */
  integer(name: string): string {
    const value = this.text(name);
    if (!isSequence(value)) {
      throw this.malformed(name);
    }
    return value;
  }

  malformed(name: string): WatchError {
    return new WatchError("malformed", `An update came with a strange ${this.#path}.${name}.`);
  }
}
