import { describe, expect, test } from "vitest";
import { apiFilter, matches, readFilter, writeFilter, type Filter } from "../../src/activity/filter.js";
import type { ActivityTransaction } from "../../src/activity/queries.js";
import { appendRows, canPayAgain, hasGap, liveRows, movedBy, nameOf, rowOfArrival, rowOfTransaction, withHead, type Row } from "../../src/activity/rows.js";
import { stripOf } from "../../src/break/strip.js";
import { heights, pointsOf, type Point } from "../../src/wallets/points.js";
import type { Arrival } from "../../src/live/feed.js";
import { arrival } from "./world.js";

const NO_LIMITS: Filter = { q: "", type: "", status: "", direction: "", from: "", to: "" };

function transaction(number: number, status: "COMPLETED" | "FAILED" = "COMPLETED"): ActivityTransaction {
  return {
    id: `txn_${number}`,
    type: "TRANSFER",
    status,
    description: null,
    failureCode: status === "FAILED" ? "INSUFFICIENT_FUNDS" : null,
    createdAt: "2026-11-23T12:00:00.000000Z",
    amount: { amount: "1.00", currency: "USD" },
    sender: { walletId: "wal_alice", displayName: "Alice", wallet: null },
    receiver: { walletId: "wal_bob", displayName: "Bob", wallet: null },
    fees: [],
    conversion: null,
    entries: [],
  };
}

const ids = (rows: readonly Row[]): string[] => rows.map(({ id }) => id);

describe("rows", () => {
  test("a row shows the other party of the transaction", () => {
    expect(rowOfTransaction(transaction(1), "wal_alice")).toMatchObject({ direction: "DEBIT", counterparty: "Bob" });
    expect(rowOfTransaction(transaction(1), "wal_bob")).toMatchObject({ direction: "CREDIT", counterparty: "Alice" });
    expect(rowOfArrival(arrival(1, false, "DEBIT"))).toMatchObject({ id: "txn_1", counterparty: "Bob", entryId: "ent_1" });
  });

  test("a row of an exchange has the amount of its own wallet, and what became of it", () => {
    const euros = { amount: "0.92", currency: "EUR" };
    const exchange: ActivityTransaction = { ...transaction(1), type: "CONVERSION", conversion: { sold: transaction(1).amount, bought: euros } };
    expect(rowOfTransaction(exchange, "wal_alice")).toMatchObject({ direction: "DEBIT", amount: { amount: "1.00" }, otherAmount: euros, isOwn: false });
    expect(rowOfTransaction(exchange, "wal_bob")).toMatchObject({ direction: "CREDIT", amount: euros, otherAmount: { amount: "1.00", currency: "USD" } });
    expect(canPayAgain(rowOfTransaction(exchange, "wal_alice"))).toBe(true);
    const wallet = (id: string) => ({ id, owner: { id: "usr_alice" } });
    const own = { ...exchange, sender: { walletId: "wal_alice", displayName: "Alice", wallet: wallet("wal_alice") }, receiver: { walletId: "wal_bob", displayName: "Alice", wallet: wallet("wal_bob") } };
    expect(nameOf(rowOfTransaction(own, "wal_alice"))).toBe("Converted to EUR");
    expect(canPayAgain(rowOfTransaction(own, "wal_alice"))).toBe(false);
  });

  test("a row of an exchange that was given back has the amount of its own wallet's entry", () => {
    const euros = { amount: "0.92", currency: "EUR" };
    const back: ActivityTransaction = { ...transaction(1), type: "REVERSAL", entries: [{ id: "ent_1", purpose: "PRINCIPAL", amount: euros, wallet: { id: "wal_alice" } }] };
    expect(rowOfTransaction(back, "wal_alice").amount).toEqual(euros);
  });

  test("live entries come first, except those that a loaded page already has", () => {
    const loaded = [2, 1].map((number) => rowOfTransaction(transaction(number), "wal_bob"));
    expect(ids(liveRows([arrival(4), arrival(3), arrival(2)], loaded))).toEqual(["txn_4", "txn_3"]);
  });

  test("a transaction with two entries of the wallet is one row", () => {
    expect(ids(liveRows([arrival(3), arrival(3)], []))).toEqual(["txn_3"]);
  });

  test("a live row has the amount of the payment, not of its fee, which comes after it", () => {
    const paid = arrival(7, false, "DEBIT");
    const fee = { ...arrival(8, false, "DEBIT"), entry: { ...arrival(8, false, "DEBIT").entry, amount: { amount: "0.33", currency: "USD" }, transaction: paid.entry.transaction } };
    expect(liveRows([fee, paid], [])).toMatchObject([{ id: "txn_7", direction: "DEBIT", amount: { amount: "1.00" }, fee: { amount: "0.33" } }]);
  });

  test("a row has the fee that its own wallet pays", () => {
    const charged = { ...transaction(1), fees: [{ payer: "RECEIVER" as const, amount: { amount: "0.33", currency: "USD" } }] };
    expect(rowOfTransaction(charged, "wal_alice").fee).toBeNull();
    expect(movedBy(rowOfTransaction(charged, "wal_bob"))).toEqual({ amount: "0.67", currency: "USD" });
  });

  test("reloading brings the fee of a row that arrived without it", () => {
    const [before] = liveRows([arrival(1, false, "DEBIT")], []);
    const now = rowOfTransaction({ ...transaction(1), fees: [{ payer: "SENDER", amount: { amount: "0.33", currency: "USD" } }] }, "wal_alice");
    expect(withHead([now], before === undefined ? [] : [before])?.[0]?.fee?.amount).toBe("0.33");
  });

  test("appending an older page adds no row twice", () => {
    const rows = [3, 2].map((number) => rowOfTransaction(transaction(number), "wal_bob"));
    const older = [2, 1].map((number) => rowOfTransaction(transaction(number), "wal_bob"));
    expect(ids(appendRows(rows, older))).toEqual(["txn_3", "txn_2", "txn_1"]);
  });

  test("reloading the newest transactions adds a refusal at its place and keeps the existing rows", () => {
    const shown = [...liveRows([arrival(4)], []), ...[2, 1].map((number) => rowOfTransaction(transaction(number), "wal_alice"))];
    const head = [transaction(5), transaction(4), transaction(3, "FAILED"), transaction(2)].map((one) => rowOfTransaction(one, "wal_alice"));
    const joined = withHead(head, shown);
    expect(ids(joined ?? [])).toEqual(["txn_5", "txn_4", "txn_3", "txn_2", "txn_1"]);
    expect(joined?.[1]).toBe(shown[0]);
    expect(joined?.[2]?.status).toBe("FAILED");
  });

  test("reloading updates the status of a transaction", () => {
    const [before, now] = [transaction(1, "FAILED"), transaction(1)].map((one) => rowOfTransaction(one, "wal_alice"));
    expect(withHead(now === undefined ? [] : [now], before === undefined ? [] : [before])?.[0]?.status).toBe("COMPLETED");
  });

  test("reloaded transactions that overlap with no existing row cannot be joined", () => {
    const rows = [9, 1].map((number) => rowOfTransaction(transaction(number), "wal_bob"));
    expect(withHead(rows.slice(0, 1), rows.slice(1))).toBeNull();
  });

  test("there is a gap if the oldest live entry does not follow the list's newest one", () => {
    expect(hasGap([arrival(8), arrival(7)], "6")).toBe(false);
    expect(hasGap([arrival(8), arrival(7)], "7")).toBe(false);
    expect(hasGap([arrival(8), arrival(7)], "5")).toBe(true);
    expect(hasGap([], "5")).toBe(false);
  });
});

test("the live row of a refund that gives a fee back shows what was refunded", () => {
  const base = arrival(2);
  const part = (sequence: number, direction: "DEBIT" | "CREDIT", amount: string): Arrival => ({
    ...base,
    entry: { ...base.entry, id: `ent_${sequence}`, sequence: String(sequence), direction, amount: { amount, currency: "USD" }, transaction: { ...base.entry.transaction, type: "REVERSAL" } },
  });
  // The service writes the fee first, so that the one who gives back has it again.
  const [row] = liveRows([part(3, "DEBIT", "10.00"), part(2, "CREDIT", "0.30")], []);
  expect(row).toMatchObject({ direction: "DEBIT", amount: { amount: "10.00" }, fee: null });
});

describe("a filter", () => {
  test("is written to the page's address and read from it", () => {
    const filter = { ...NO_LIMITS, type: "DEPOSIT", from: "2026-11-01" };
    expect(writeFilter(filter)).toBe("type=DEPOSIT&from=2026-11-01");
    expect(readFilter(`?${writeFilter(filter)}`)).toEqual(filter);
  });

  test("ignores invalid values in the address", () => {
    expect(readFilter("?type=GIFT&status=&direction=UP&from=yesterday&to=2026-13-45")).toEqual(NO_LIMITS);
  });

  test("requests whole days from the API, including the last one", () => {
    const filter = apiFilter({ ...NO_LIMITS, status: "FAILED", from: "2026-11-01", to: "2026-11-30" });
    expect(filter).toEqual({
      status: "FAILED",
      createdFrom: new Date(2026, 10, 1).toISOString(),
      createdTo: new Date(2026, 11, 1).toISOString(),
    });
    expect(apiFilter(NO_LIMITS)).toBeNull();
  });

  test.each([
    [{}, true],
    [{ direction: "DEBIT" }, false],
    [{ type: "TRANSFER", status: "COMPLETED", direction: "CREDIT" }, true],
    [{ status: "FAILED" }, false],
    [{ from: "2026-11-25" }, false],
    [{ to: "2026-11-21" }, false],
    [{ from: "2026-11-22", to: "2026-11-24" }, true],
  ])("the filter %j matches a live row: %s", (limits, expected) => {
    expect(matches({ ...NO_LIMITS, ...limits }, rowOfArrival(arrival(1)))).toBe(expected);
  });
});

describe("the strip", () => {
  test("starts after the sequence number before the experiment", () => {
    const strip = stripOf([arrival(8, true), arrival(7), arrival(6), arrival(5)], "6");
    expect(strip).toEqual({ cells: [{ sequence: "7", isCaughtUp: false }, { sequence: "8", isCaughtUp: true }], gaps: 0, repeats: 0 });
  });

  test("counts missing and repeated sequence numbers", () => {
    expect(stripOf([arrival(9), arrival(7)], "6")).toMatchObject({ gaps: 1, repeats: 0 });
    expect(stripOf([arrival(8), arrival(7), arrival(7)], "6")).toMatchObject({ gaps: 0, repeats: 1 });
  });
});

describe("a chart", () => {
  function point(sequence: number, amount: string): Point {
    return { sequence: String(sequence), createdAt: "2026-11-23T12:00:00Z", balanceAfter: { amount, currency: "USD" } };
  }

  test("has each entry once, from the oldest to the newest", () => {
    const points = pointsOf([point(2, "2.00"), point(1, "1.00")], [point(4, "4.00"), point(3, "3.00"), point(2, "2.00")]);
    expect(points.map(({ sequence }) => sequence)).toEqual(["1", "2", "3", "4"]);
  });

  test("spans the lowest to the highest balance, also for negative balances and those too large for a Number", () => {
    expect(heights([point(1, "-1.00"), point(2, "0.00"), point(3, "1.00")])).toEqual([0, 0.5, 1]);
    expect(heights([point(1, "90071992547409930.00"), point(2, "90071992547409930.01")])).toEqual([0, 1]);
    expect(heights([point(1, "5.00"), point(2, "5.00")])).toEqual([0.5, 0.5]);
  });
});
