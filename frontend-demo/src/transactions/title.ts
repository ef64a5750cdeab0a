import type { Money } from "../money/format.js";
import type { LoadedTransaction } from "./queries.js";

const WORDS: Readonly<Record<string, string>> = { DEPOSIT: "Deposit of ", TRANSFER: "Transfer of ", POSTING: "Posting of ", REVERSAL: "Reversal of ", CAPTURE: "Capture of " };

export interface Title {
  readonly words: string;
  readonly money: Money;
  /** What it became, of an exchange. */
  readonly other: Money | null;
}

/** Whether the viewer sees both wallets of one owner. */
export function isBetweenOwn({ sender, receiver }: Pick<LoadedTransaction, "sender" | "receiver">): boolean {
  const owner = sender?.wallet?.owner?.id;
  return owner !== undefined && owner === receiver?.wallet?.owner?.id;
}

/** The heading of a transaction's page. The receiver of a payment in another currency reads what arrived. */
export function titleOf(transaction: LoadedTransaction): Title {
  const { type, amount, conversion, sender, receiver, reverses, entries } = transaction;
  if (type === "CONVERSION") {
    const words = isBetweenOwn(transaction) ? "Conversion of " : "Payment of ";
    if (conversion === null) {
      return { words, money: amount, other: null };
    }
    const isReceiver = sender?.wallet == null && receiver?.wallet != null;
    return isReceiver ? { words, money: conversion.bought, other: null } : { words, money: conversion.sold, other: conversion.bought };
  }
  const own = reverses?.conversion ? entries.filter(({ purpose, wallet }) => purpose === "PRINCIPAL" && wallet.owner !== null) : [];
  return { words: WORDS[type] ?? "Transaction of ", money: own.length === 1 ? (own[0]?.amount ?? amount) : amount, other: null };
}
