import { describe, expect, it } from "vitest";
import { csvOf } from "../../src/activity/csv.js";
import { NO_LIMITS, readFilter, writeFilter } from "../../src/activity/filter.js";
import { askedOf, rowOfItem, seenUntil, withNewest, type FoundPage } from "../../src/activity/found.js";
import { canPayAgain, keyOf, nameOf } from "../../src/activity/rows.js";
import { LONGEST_SEARCH, readSearch } from "../../src/activity/searchText.js";

const ask = (q: string) => askedOf({ ...NO_LIMITS, q }, null);

describe("a typed search", () => {
  it.each([
    ["rent  bo", "rent bo", {}],
    ["inv 2025", "inv 2025", {}],
    ["  - … ", null, {}],
    ["12.50", null, { amountFrom: "12.50", amountTo: "12.50" }],
    ["=12", null, { amountFrom: "12", amountTo: "12" }],
    ["rent >100", "rent", { amountFrom: "100" }],
    ["<=0.5", null, { amountTo: "0.5" }],
    ["10..20.25", null, { amountFrom: "10", amountTo: "20.25" }],
    [">10 <20", null, { amountFrom: "10", amountTo: "20" }],
    ["１２．５０", null, { amountFrom: "12.50", amountTo: "12.50" }],
    ["order=17 rent", "rent", { metadata: [{ key: "order", value: "17" }] }],
    ["shop.id:a=b", null, { metadata: [{ key: "shop.id", value: "a=b" }] }],
  ] as const)("%j asks for the words %j and %j", (text, query, filter) => {
    expect(ask(text)).toEqual({ query, filter });
  });

  it("has at most eight words, and says so before the service does", () => {
    expect(readSearch("a b c d e f g h").problem).toBeNull();
    expect(readSearch("a b c d e f g-h i").problem).toContain("8 words");
    expect(readSearch("12.50 >1 a=b").problem).toBeNull();
  });

  it("is part of the page's address", () => {
    const filter = { ...NO_LIMITS, q: "café >10 a=b" };
    expect(readFilter(writeFilter(filter))).toEqual(filter);
    expect(readFilter(`q=${"x".repeat(500)}`).q).toHaveLength(LONGEST_SEARCH);
  });

  it("keeps the direction and the days, in one wallet or in all", () => {
    const asked = askedOf({ ...NO_LIMITS, direction: "DEBIT", from: "2026-11-23", to: "2026-11-23" }, "wal_1");
    expect(asked.filter).toMatchObject({ walletId: "wal_1", direction: "DEBIT" });
    expect(Date.parse(asked.filter.createdTo ?? "") - Date.parse(asked.filter.createdFrom ?? "")).toBe(86_400_000);
  });
});

type Item = FoundPage["edges"][number]["node"];
const item = (changed: Partial<Item> = {}): Item => ({
  id: "ent_1",
  at: "2026-11-23T12:00:00Z",
  direction: "DEBIT",
  purpose: "PRINCIPAL",
  amount: { amount: "12.50", currency: "USD" },
  wallet: { id: "wal_1", name: "Everyday", owner: { id: "usr_1", displayName: "Alice" } },
  counterparty: { walletId: "wal_2", displayName: "Bob" },
  transaction: { id: "txn_1", type: "TRANSFER", description: "Rent" },
  ...changed,
});

describe("an entry that was found", () => {
  it("is a row of its own, by its own id", () => {
    const [payment, fee] = [rowOfItem(item()), rowOfItem(item({ id: "ent_2", purpose: "FEE" }))];
    expect([payment, fee].map(keyOf)).toEqual(["ent_1", "ent_2"]);
    expect([payment, fee].map(nameOf)).toEqual(["Bob", "Fee"]);
    expect([payment, fee].map(canPayAgain)).toEqual([true, false]);
    expect(csvOf([fee])).toContain("txn_1,FEE,COMPLETED,DEBIT,12.50,USD");
  });

  it("of a conversion between own wallets has no other party", () => {
    const row = rowOfItem(item({ counterparty: { walletId: "wal_3", displayName: "Alice" }, transaction: { id: "txn_1", type: "CONVERSION", description: null } }));
    expect(nameOf(row)).toBe("Conversion");
  });

  it("goes above the rows that were there, unless some may be missing between", () => {
    const [old, older, fresh] = ["ent_2", "ent_1", "ent_3"].map((id) => rowOfItem(item({ id })));
    const rows = [old, older].flatMap((row) => row ?? []);
    const newest = (...found: readonly (typeof fresh)[]) => withNewest(found.flatMap((row) => row ?? []), rows)?.map(keyOf);
    expect(newest(fresh, old)).toEqual(["ent_3", "ent_2", "ent_1"]);
    expect(withNewest(rows, rows)).toBe(rows);
    expect(newest(fresh)).toBeUndefined();
    expect(withNewest([], [])).toEqual([]);
  });
});

it("an answer says until when it has seen all only if it is behind", () => {
  const position = { position: "7", at: "2026-11-23T12:00:00Z", lagSeconds: 0.4 };
  expect(seenUntil(position)).toBeNull();
  expect(seenUntil({ ...position, lagSeconds: 5 })).toBe(position.at);
  expect(seenUntil(null)).toBeNull();
});
