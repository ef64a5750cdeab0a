import { describe, expect, test } from "vitest";
import { accountsOf, balancesOf } from "../../src/transactions/accounts.js";
import type { Entry, LoadedTransaction } from "../../src/transactions/queries.js";

const money = (amount: string, currency = "USD") => ({ amount, currency });

function entry(wallet: string, direction: Entry["direction"], amount: string, more: Partial<Entry> & { readonly currency?: string } = {}): Entry {
  const { currency = "USD", ...fields } = more;
  return {
    id: `${wallet} ${direction} ${amount}`,
    sequence: "1",
    direction,
    purpose: "PRINCIPAL",
    createdAt: "2026-01-01T00:00:00Z",
    amount: money(amount, currency),
    balanceBefore: money("0.00", currency),
    balanceAfter: money("1.00", currency),
    wallet: { id: wallet, name: wallet, owner: null },
    ...fields,
  };
}

const PARTY = { wallet: null, displayName: "Bob", walletId: "theirs" };
const base: LoadedTransaction = {
  id: "txn",
  type: "TRANSFER",
  status: "COMPLETED",
  description: null,
  reference: null,
  metadata: [],
  failureCode: null,
  idempotencyKey: null,
  createdAt: "2026-01-01T00:00:00Z",
  completedAt: "2026-01-01T00:00:00Z",
  amount: money("10.00"),
  fees: [],
  reversed: money("0.00"),
  reversible: money("10.00"),
  conversion: null,
  reverses: null,
  hold: null,
  reversals: { edges: [], pageInfo: { hasNextPage: false } },
  sender: { ...PARTY, displayName: "Alice", walletId: "mine" },
  receiver: PARTY,
  entries: [],
};

describe("the accounts of a transaction", () => {
  test("the side whose entries the viewer may not see comes from the transaction", () => {
    const accounts = accountsOf({ ...base, entries: [entry("mine", "DEBIT", "10.00")] });
    expect(accounts.map(({ walletId, balances }) => [walletId, balances === null])).toEqual([
      ["mine", false],
      ["theirs", true],
    ]);
    expect(balancesOf(accounts)).toEqual([money("0.00")]);
  });

  test("the fee that the viewer saw is in the accounts whose entries are hidden, so that the sum is zero", () => {
    const charge = { label: "Card fee", amount: money("0.59"), explanation: "2.9 % of 10.00 + 0.30 = 0.59", reversed: money("0.00") };
    const own = [entry("mine", "DEBIT", "10.00"), entry("mine", "DEBIT", "0.59", { purpose: "FEE" })];
    const bySender = accountsOf({ ...base, fees: [{ ...charge, payer: "SENDER" }], entries: own });
    expect(bySender.map(({ walletId, lines }) => [walletId, lines.length])).toEqual([["mine", 2], ["theirs", 1], ["fees", 1]]);
    expect(balancesOf(bySender)).toEqual([money("0.00")]);
    const byReceiver = accountsOf({ ...base, fees: [{ ...charge, payer: "RECEIVER" }], entries: [entry("mine", "DEBIT", "10.00")] });
    expect(byReceiver.map(({ walletId, lines }) => [walletId, lines.length])).toEqual([["mine", 1], ["theirs", 2], ["fees", 1]]);
    expect(balancesOf(byReceiver)).toEqual([money("0.00")]);
  });

  test("several entries of one wallet are lines of one account, with the balance before the first and after the last", () => {
    const entries = [
      entry("mine", "DEBIT", "10.00", { balanceBefore: money("30.00"), balanceAfter: money("20.00") }),
      entry("theirs", "CREDIT", "10.00"),
      entry("mine", "DEBIT", "0.25", { purpose: "FEE", balanceBefore: money("20.00"), balanceAfter: money("19.75") }),
      entry("fees", "CREDIT", "0.25", { purpose: "FEE" }),
    ];
    const [mine, ...others] = accountsOf({ ...base, entries });
    expect(mine?.lines.map(({ purpose, amount }) => [purpose, amount.amount])).toEqual([
      ["PRINCIPAL", "10.00"],
      ["FEE", "0.25"],
    ]);
    expect(mine?.balances).toEqual({ before: money("30.00"), after: money("19.75") });
    expect(others.map(({ walletId }) => walletId)).toEqual(["theirs", "fees"]);
    expect(balancesOf(accountsOf({ ...base, entries }))).toEqual([money("0.00")]);
  });

  test("an exchange goes through the accounts of both currencies, each of which sums to zero", () => {
    const rate = { base: "USD", quote: "EUR", rate: "0.92", spreadBasisPoints: 50, source: "Feed", validFrom: "2026-01-01T00:00:00Z" };
    const conversion = { sold: money("100.00"), bought: money("91.53", "EUR"), spread: money("0.50"), residue: money("0.01", "EUR"), rate };
    const accounts = accountsOf({ ...base, type: "CONVERSION", amount: money("100.00"), conversion, entries: [entry("mine", "DEBIT", "100.00")] });
    expect(accounts.map(({ name, lines: [line] }) => [name, line?.direction, line?.amount.amount, line?.purpose])).toEqual([
      ["mine", "DEBIT", "100.00", "PRINCIPAL"],
      ["FX position EUR", "DEBIT", "91.54", "FX"],
      ["Bob", "CREDIT", "91.53", "PRINCIPAL"],
      ["FX position USD", "CREDIT", "99.50", "FX"],
      ["FX spread USD", "CREDIT", "0.50", "SPREAD"],
      ["FX residue EUR", "CREDIT", "0.01", "RESIDUE"],
    ]);
    expect(balancesOf(accounts)).toEqual([money("0.00"), money("0.00", "EUR")]);
  });

  test("of an exchange that is given back, the hidden amount of the one who gives it is not guessed", () => {
    const reverses = { id: "txn_1", amount: money("100.00"), conversion: { bought: money("91.53", "EUR") } };
    const [mine, ...others] = accountsOf({ ...base, type: "REVERSAL", reverses, sender: PARTY, receiver: { ...PARTY, walletId: "mine" }, entries: [entry("mine", "CREDIT", "50.00")] });
    expect(mine?.lines).toHaveLength(1);
    expect(others).toEqual([]);
  });

  test("each currency has a sum of its own", () => {
    const entries = [entry("mine", "DEBIT", "10.00"), entry("euros", "CREDIT", "9.00", { currency: "EUR" })];
    const accounts = accountsOf({ ...base, type: "POSTING", sender: null, receiver: null, entries });
    expect(balancesOf(accounts)).toEqual([money("-10.00"), money("9.00", "EUR")]);
  });
});
