import type { Arrival } from "../live/feed.js";
import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import type { ActivityTransaction } from "./queries.js";

/** A transaction as one of its wallets sees it. */
export interface Row {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly direction: "DEBIT" | "CREDIT";
  /** What was asked to move, in this wallet's currency. */
  readonly amount: Money;
  /** What left or entered the other wallet, of an exchange; null otherwise, and where it is not known yet. */
  readonly otherAmount: Money | null;
  /** Whether both wallets have one owner. */
  readonly isOwn: boolean;
  /** What this wallet paid for it on top, or out of what it received. Null without a fee. */
  readonly fee: Money | null;
  readonly counterparty: string | null;
  /** The other party's wallet. Null where there are several. */
  readonly counterpartyWalletId: string | null;
  readonly description: string | null;
  readonly failureCode: string | null;
  readonly createdAt: string;
  /** The entry that brought it, where it arrived live. */
  readonly entryId: string | null;
  /** The entry that a search found, whose row this is. */
  readonly found?: {
    readonly entryId: string;
    readonly walletId: string;
    readonly walletName: string;
    readonly isFee: boolean;
  };
}

/** An entry that was found is a row of its own; otherwise a transaction is. */
export function keyOf({ id, found }: Row): string {
  return found?.entryId ?? id;
}

export function rowOfTransaction(transaction: ActivityTransaction, walletId: string): Row {
  const { id, type, status, sender, receiver, fees, conversion, description, failureCode, createdAt } = transaction;
  const isPayer = sender?.walletId === walletId;
  const owner = sender?.wallet?.owner?.id;
  const other = isPayer ? receiver : sender;
  return {
    id,
    type,
    status,
    direction: isPayer ? "DEBIT" : "CREDIT",
    amount: ownAmount(transaction, walletId),
    otherAmount: (isPayer ? conversion?.bought : conversion?.sold) ?? null,
    isOwn: owner !== undefined && owner === receiver?.wallet?.owner?.id,
    fee: sumOf(fees.filter(({ payer }) => payer === (isPayer ? "SENDER" : "RECEIVER")).map((charge) => charge.amount)),
    counterparty: other?.displayName ?? null,
    counterpartyWalletId: other?.walletId ?? null,
    description,
    failureCode,
    createdAt,
    entryId: null,
  };
}

/** The amount in the wallet's own currency: of an exchange its side, of a reversal what its entry says, because that may give back an exchange. */
function ownAmount({ type, amount, sender, conversion, entries }: ActivityTransaction, walletId: string): Money {
  if (conversion !== null) {
    return sender?.walletId === walletId ? conversion.sold : conversion.bought;
  }
  const own = type === "REVERSAL" ? entries.find(({ wallet, purpose }) => purpose === "PRINCIPAL" && wallet.id === walletId) : undefined;
  return own?.amount ?? amount;
}

export function rowOfArrival({ entry }: Arrival): Row {
  const { transaction, direction, amount, createdAt } = entry;
  const { id, type, sender, receiver, description } = transaction;
  const other = direction === "DEBIT" ? receiver : sender;
  return {
    id,
    type,
    // Only what is completed has entries.
    status: "COMPLETED",
    direction,
    amount,
    otherAmount: null,
    // An update does not say whose the wallets are.
    isOwn: type === "CONVERSION" && sender?.displayName === receiver?.displayName,
    fee: null,
    counterparty: other?.displayName ?? null,
    counterpartyWalletId: other?.walletId ?? null,
    description,
    failureCode: null,
    createdAt,
    entryId: entry.id,
  };
}

/** What the row is called: the other party, or what happened between one's own wallets. */
export function nameOf({ type, direction, counterparty, otherAmount, isOwn, found }: Row): string {
  if (found?.isFee === true) {
    return direction === "DEBIT" ? "Fee" : "Fee given back";
  }
  if (type === "DEPOSIT") {
    return "Deposit";
  }
  if (type === "CONVERSION" && isOwn) {
    return otherAmount === null ? "Conversion" : `Converted ${direction === "DEBIT" ? "to" : "from"} ${otherAmount.currency}`;
  }
  return counterparty ?? "Several wallets";
}

/** What left or entered the wallet: the amount with the fee that this wallet paid. */
export function movedBy({ amount, fee, direction }: Row): Money {
  if (fee === null) {
    return amount;
  }
  const decimals = decimalsOf(amount.amount);
  const [asked, charged] = [toMinor(amount.amount, decimals), toMinor(fee.amount, decimals)];
  return { amount: fromMinor(direction === "DEBIT" ? asked + charged : asked - charged, decimals), currency: amount.currency };
}

/** Of amounts in one currency; null if there are none. */
function sumOf([first, ...rest]: readonly Money[]): Money | null {
  if (first === undefined) {
    return null;
  }
  const decimals = decimalsOf(first.amount);
  const minor = rest.reduce((sum, { amount }) => sum + toMinor(amount, decimals), toMinor(first.amount, decimals));
  return { amount: fromMinor(minor, decimals), currency: first.currency };
}

/** Whether the wallet's owner can make the same payment again: it was, or should have been, their own to one other wallet. */
export function canPayAgain({ type, direction, counterpartyWalletId, otherAmount, isOwn, found }: Row): boolean {
  if (found?.isFee === true) {
    return false;
  }
  const isPayment = type === "TRANSFER" || (type === "CONVERSION" && otherAmount !== null && !isOwn);
  return isPayment && direction === "DEBIT" && counterpartyWalletId !== null;
}

/**
 * Arrivals since the list was loaded, newest first, as rows; what the list has already is not repeated. Of several entries of one
 * transaction the first is the row: what was asked for comes before its fee.
 */
export function liveRows(arrivals: readonly Arrival[], loaded: readonly Row[]): Row[] {
  const known = new Set(loaded.map(({ id }) => id));
  const rows = new Map<string, Row>();
  for (const row of arrivals.map(rowOfArrival).filter(({ id }) => !known.has(id))) {
    const newer = rows.get(row.id);
    if (newer?.type === "REVERSAL") {
      // A reversal gives the fee back first, so the newer entry is what was asked for.
      continue;
    }
    // An older entry takes the place of the newer one, which is its fee.
    rows.set(row.id, newer === undefined || row.type === "POSTING" ? row : { ...row, fee: sumOf([newer.amount, ...(newer.fee === null ? [] : [newer.fee])]) });
  }
  return [...rows.values()];
}

/**
 * The newest rows, just loaded, on top of those that are shown; null where something may lie between the two. A row that both
 * have stays as it is shown, unless its status, its fee or the other side of its exchange is another one.
 */
export function withHead(head: readonly Row[], shown: readonly Row[]): readonly Row[] | null {
  const known = new Map(shown.map((row) => [row.id, row]));
  if (shown.length > 0 && !head.some(({ id }) => known.has(id))) {
    return null;
  }
  const top = head.map((row) => {
    const before = known.get(row.id);
    return before?.status === row.status && before.fee?.amount === row.fee?.amount && before.otherAmount?.amount === row.otherAmount?.amount ? before : row;
  });
  return appendRows(top, shown);
}

/** Whether entries after `since` are no longer among the arrivals, of which only the newest are kept. */
export function hasGap(arrivals: readonly Arrival[], since: string): boolean {
  const oldest = arrivals.at(-1)?.entry.sequence;
  return oldest !== undefined && BigInt(oldest) > BigInt(since) + 1n;
}

/** Older rows under those that are there; a row that both have stays where it was. */
export function appendRows(rows: readonly Row[], older: readonly Row[]): Row[] {
  const known = new Set(rows.map(({ id }) => id));
  return [...rows, ...older.filter(({ id }) => !known.has(id))];
}
