import { afterEach, describe, expect, it, vi } from "vitest";
import { chipsOf } from "../../src/activity/chips.js";
import { csvOf } from "../../src/activity/csv.js";
import { dateOf, daysOf, dayTitle, subtotalsOf } from "../../src/activity/days.js";
import { NO_LIMITS } from "../../src/activity/filter.js";
import { isPeriod, periodsOf } from "../../src/activity/periods.js";
import { canPayAgain, type Row } from "../../src/activity/rows.js";
import { draftOfState, stateOfPayAgain } from "../../src/send/payAgain.js";

let count = 0;
function row(changed: Partial<Row> = {}): Row {
  count += 1;
  return {
    id: `txn_${count}`,
    type: "TRANSFER",
    status: "COMPLETED",
    direction: "DEBIT",
    amount: { amount: "1.00", currency: "USD" },
    otherAmount: null,
    isOwn: false,
    fee: null,
    counterparty: "Bob Baker",
    counterpartyWalletId: "wal_bob",
    description: null,
    failureCode: null,
    createdAt: new Date(2026, 10, 23, 12).toISOString(),
    entryId: null,
    ...changed,
  };
}
const at = (...time: [number, number, number, number, number]): string => new Date(...time).toISOString();
const spaced = (text: string): string => text.replace(/\s/gu, " ");

describe("days", () => {
  it("are those of the reader's time zone, newest first", () => {
    const rows = [row({ createdAt: at(2026, 10, 24, 0, 0) }), row({ createdAt: at(2026, 10, 23, 23, 59) }), row({ createdAt: at(2026, 10, 23, 0, 0) })];
    expect(daysOf(rows, false, false).map((day) => [day.date, day.rows.length])).toEqual([["2026-11-24", 1], ["2026-11-23", 2]]);
  });

  it("are never listed twice, even if rows near midnight are out of order", () => {
    const rows = [row({ createdAt: at(2026, 10, 23, 23, 59) }), row({ createdAt: at(2026, 10, 24, 0, 0) }), row({ createdAt: at(2026, 10, 23, 23, 58) })];
    expect(daysOf(rows, false, false).map(({ date }) => date)).toEqual(["2026-11-23", "2026-11-24"]);
  });

  it("are partial at the ends of which more is not shown", () => {
    const rows = [24, 23, 22].map((day) => row({ createdAt: at(2026, 10, day, 9, 0) }));
    expect(daysOf(rows, false, true).map(({ isPartial }) => isPartial)).toEqual([false, false, true]);
    expect(daysOf(rows, true, false).map(({ isPartial }) => isPartial)).toEqual([true, false, false]);
  });

  it("have exact subtotals per currency, without what was refused or is pending", () => {
    const rows = [
      row({ direction: "CREDIT", amount: { amount: "90071992547409930.01", currency: "USD" } }),
      row({ direction: "CREDIT", amount: { amount: "0.02", currency: "USD" } }),
      row({ amount: { amount: "0.10", currency: "USD" } }),
      row({ amount: { amount: "500", currency: "JPY" } }),
      row({ status: "FAILED", amount: { amount: "7.00", currency: "USD" } }),
      row({ status: "PENDING", amount: { amount: "7.00", currency: "EUR" } }),
    ];
    expect(subtotalsOf(rows)).toEqual([
      { currency: "USD", in: { amount: "90071992547409930.03", currency: "USD" }, out: { amount: "0.10", currency: "USD" } },
      { currency: "JPY", in: null, out: { amount: "500", currency: "JPY" } },
    ]);
  });

  it("have subtotals of what left and entered the wallet, with its fees", () => {
    const fee = { amount: "0.59", currency: "USD" };
    const rows = [row({ fee }), row(), row({ direction: "CREDIT", amount: { amount: "10.00", currency: "USD" }, fee })];
    expect(subtotalsOf(rows)).toEqual([{ currency: "USD", in: { amount: "9.41", currency: "USD" }, out: { amount: "2.59", currency: "USD" } }]);
  });

  it.each([
    ["2026-11-27", "en-US", "Today · November 27"],
    ["2026-11-26", "en-US", "Yesterday · November 26"],
    ["2026-11-23", "en-US", "Monday, November 23"],
    ["2025-11-23", "en-US", "Sunday, November 23, 2025"],
    ["2026-11-26", "de-DE", "Gestern · 26. November"],
    ["2026-11-27", "ja-JP", "今日 · 11月27日"],
    ["2026-11-23", "ar-EG", "الاثنين، ٢٣ نوفمبر"],
  ])("%s is named in %s: %s", (date, locale, title) => {
    expect(spaced(dayTitle(date, "2026-11-27", locale))).toBe(title);
  });
});

describe("a CSV file", () => {
  const lineOf = (changed: Partial<Row>): string => csvOf([row({ id: "txn_x", createdAt: "2026-11-23T12:00:00.000001Z", ...changed })]).split("\r\n")[1] ?? "";

  it("has a header, exact amounts and lines that end with CR and LF", () => {
    const csv = csvOf([row({ id: "txn_x", createdAt: "2026-11-23T12:00:00.000001Z", amount: { amount: "9000000000000000.01", currency: "USD" } })]);
    expect(csv).toBe(
      "Created (UTC),Transaction,Type,Status,Direction,Amount,Currency,Counterparty,Description,Failure,Fee,Total\r\n" +
        "2026-11-23T12:00:00.000001Z,txn_x,TRANSFER,COMPLETED,DEBIT,9000000000000000.01,USD,Bob Baker,,,,9000000000000000.01\r\n",
    );
  });

  it("has the fee and what moved, and no total of what did not move", () => {
    const fee = { amount: "0.59", currency: "USD" };
    expect(lineOf({ amount: { amount: "10.00", currency: "USD" }, fee })).toMatch(/,0\.59,10\.59$/);
    expect(lineOf({ direction: "CREDIT", amount: { amount: "10.00", currency: "USD" }, fee })).toMatch(/,0\.59,9\.41$/);
    expect(lineOf({ status: "FAILED" })).toMatch(/,,$/);
  });

  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])("makes %j text by an apostrophe", (description) => {
    expect(lineOf({ description })).toContain(`,'${description},`);
  });

  it.each([
    ["a,b", '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ["\r=1", "\"'\r=1\""],
  ])("quotes %j", (description, cell) => {
    expect(csvOf([row({ description })])).toContain(`,${cell},`);
  });
});

describe("periods", () => {
  it.each([
    ["Today", "2026-03-05", "2026-03-05"],
    ["Last 7 days", "2026-02-27", "2026-03-05"],
    ["This month", "2026-03-01", "2026-03-05"],
    ["Last month", "2026-02-01", "2026-02-28"],
  ])("%s is from %s to %s", (label, from, to) => {
    expect(periodsOf("2026-03-05").find((period) => period.label === label)).toEqual({ label, from, to });
  });

  it("last month is December in January", () => {
    expect(periodsOf("2027-01-31")[3]).toMatchObject({ from: "2026-12-01", to: "2026-12-31" });
  });

  it("are on if the filter has their days", () => {
    const [today] = periodsOf(dateOf(Date.now()));
    expect(today && isPeriod({ ...NO_LIMITS, from: today.from, to: today.to }, today)).toBe(true);
    expect(today && isPeriod(NO_LIMITS, today)).toBe(false);
  });
});

it("each limit of a list is a chip that removes it", () => {
  const filter = { ...NO_LIMITS, type: "TRANSFER", direction: "CREDIT", from: "2026-11-01", to: "2026-11-30" };
  const chips = chipsOf(filter, "en-US");
  expect(chips.map(({ label }) => label)).toEqual(["Transfers", "Money in", "Nov 1, 2026 – Nov 30, 2026"]);
  expect(chips[0]?.without).toEqual({ ...filter, type: "" });
  expect(chips[2]?.without).toEqual({ ...filter, from: "", to: "" });
  expect(chipsOf({ ...NO_LIMITS, from: "2026-11-01" }, "en-US")[0]?.label).toBe("From Nov 1, 2026");
  expect(chipsOf(NO_LIMITS)).toEqual([]);
});

describe("paying again", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("is offered for one's own transfers to one wallet", () => {
    expect(canPayAgain(row())).toBe(true);
    expect(canPayAgain(row({ status: "FAILED" }))).toBe(true);
    expect(canPayAgain(row({ direction: "CREDIT" }))).toBe(false);
    expect(canPayAgain(row({ type: "DEPOSIT" }))).toBe(false);
    expect(canPayAgain(row({ counterpartyWalletId: null }))).toBe(false);
  });

  it("fills the form with the same values", () => {
    vi.stubGlobal("navigator", { language: "de-DE" });
    const payment = row({ amount: { amount: "12.50", currency: "EUR" }, description: "Rent" });
    expect(draftOfState(stateOfPayAgain(payment, "wal_me"))).toEqual({
      walletId: "wal_me",
      party: { walletId: "wal_bob", displayName: "Bob Baker", currency: "EUR" },
      amount: "12,50",
      side: "source",
      note: "Rent",
    });
  });

  it("leaves the form empty without a payment", () => {
    expect(draftOfState(null)).toBeNull();
    expect(draftOfState({ other: 1 })).toBeNull();
  });
});
