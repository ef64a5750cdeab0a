import { less, plus } from "../fx/words.js";
import { decimalsOf, isZero, sum } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import type { Entry, LoadedTransaction } from "./queries.js";

/** One leg of a transaction in an account. */
export interface Line {
  readonly direction: "DEBIT" | "CREDIT";
  readonly amount: Money;
  readonly purpose: Entry["purpose"];
}

/** One wallet's part of a transaction, as an account of a ledger. */
export interface TAccount {
  readonly walletId: string;
  readonly name: string;
  readonly lines: readonly Line[];
  /** The balances before and after. Null if the viewer may not see the wallet. */
  readonly balances: { readonly before: Money; readonly after: Money } | null;
}

/**
 * The accounts of a completed transaction, the paying ones first. The viewer's accounts come from their entries. The viewer may
 * not see the entries of others, so those come from the transaction's sender, receiver and fees.
 */
export function accountsOf(transaction: LoadedTransaction): TAccount[] {
  const { entries, sender, receiver, amount, fees, conversion, reverses } = transaction;
  // Of a reversal of an exchange only the amount of the one who gets it back is known.
  const paid = reverses?.conversion ? null : amount;
  const byWallet = grouped(entries);
  const seen = [...byWallet].flatMap(([walletId, own]) => {
    const [first, last] = [own.at(0), own.at(-1)];
    return first === undefined || last === undefined
      ? []
      : [
          {
            walletId,
            name: first.wallet.owner === null ? first.wallet.name : `${first.wallet.owner.displayName}: ${first.wallet.name}`,
            lines: own.map(({ direction, amount, purpose }) => ({ direction, amount, purpose })),
            balances: { before: first.balanceBefore, after: last.balanceAfter },
          },
        ];
  });
  const hidden = [
    { party: sender, direction: "DEBIT" as const, payer: "SENDER", amount: paid },
    { party: receiver, direction: "CREDIT" as const, payer: "RECEIVER", amount: conversion?.bought ?? amount },
  ].flatMap(({ party, direction, payer, amount }) => {
    const charged = fees.filter((fee) => fee.payer === payer).map((fee) => feeLine("DEBIT", fee.amount));
    return party === null || amount === null || byWallet.has(party.walletId)
      ? []
      : [{ walletId: party.walletId, name: party.displayName, lines: [{ direction, amount, purpose: "PRINCIPAL" as const }, ...charged], balances: null }];
  });
  return [...seen, ...hidden, ...exchangeAccounts(transaction), ...feeAccount(transaction)].sort((a, b) => Number(a.lines[0]?.direction === "CREDIT") - Number(b.lines[0]?.direction === "CREDIT"));
}

/** The accounts through which an exchange went, unless their entries are seen. */
function exchangeAccounts({ entries, conversion }: LoadedTransaction): TAccount[] {
  if (conversion === null || entries.some(({ purpose }) => purpose === "FX")) {
    return [];
  }
  const { sold, bought, spread, residue } = conversion;
  const account = (name: string, direction: Line["direction"], amount: Money, purpose: Line["purpose"]): TAccount => ({
    walletId: name,
    name,
    lines: [{ direction, amount, purpose }],
    balances: null,
  });
  return [
    account(`FX position ${bought.currency}`, "DEBIT", plus(bought, residue), "FX"),
    account(`FX position ${sold.currency}`, "CREDIT", less(sold, spread), "FX"),
    ...(isZero(spread.amount) ? [] : [account(`FX spread ${sold.currency}`, "CREDIT", spread, "SPREAD")]),
    ...(isZero(residue.amount) ? [] : [account(`FX residue ${bought.currency}`, "CREDIT", residue, "RESIDUE")]),
  ];
}

/** The account that the fees went to, unless its entries are seen. */
function feeAccount({ entries, fees }: LoadedTransaction): TAccount[] {
  const isSeen = entries.some(({ purpose, direction }) => purpose === "FEE" && direction === "CREDIT");
  return isSeen || fees.length === 0 ? [] : [{ walletId: "fees", name: "Fees", lines: fees.map((fee) => feeLine("CREDIT", fee.amount)), balances: null }];
}

function feeLine(direction: Line["direction"], amount: Money): Line {
  return { direction, amount, purpose: "FEE" };
}

function grouped(entries: readonly Entry[]): Map<string, Entry[]> {
  const byWallet = new Map<string, Entry[]>();
  for (const entry of entries) {
    byWallet.set(entry.wallet.id, [...(byWallet.get(entry.wallet.id) ?? []), entry]);
  }
  return byWallet;
}

/** Credits less debits of each currency. Zero for a double entry that is seen whole. */
export function balancesOf(accounts: readonly TAccount[]): Money[] {
  const lines = accounts.flatMap((account) => account.lines);
  const currencies = [...new Set(lines.map(({ amount }) => amount.currency))];
  return currencies.map((currency) => {
    const own = lines.filter(({ amount }) => amount.currency === currency);
    const exponent = Math.max(0, ...own.map(({ amount }) => decimalsOf(amount.amount)));
    return { currency, amount: sum(own.map(({ direction, amount }) => (direction === "DEBIT" ? `-${amount.amount}` : amount.amount)), exponent) };
  });
}
