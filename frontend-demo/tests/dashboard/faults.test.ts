import { describe, expect, it } from "vitest";
import { NO_LIMITS, isBackwards } from "../../src/activity/filter.js";
import { isPage } from "../../src/app/NoSuchPage.js";
import { outstanding, verdictOf, type Strip } from "../../src/break/strip.js";
import { groupsOf } from "../../src/money/groups.js";

const strip = (cells: number, gaps = 0, repeats = 0): Strip => ({
  cells: Array.from({ length: cells }, (_, index) => ({ sequence: String(index + 1), isCaughtUp: false })),
  gaps,
  repeats,
});

describe("the verdict of cutting the line", () => {
  it("waits while a payment has no answer", () => {
    expect(verdictOf(strip(3), { sent: 4, answered: 3, paid: 3 }, false)).toBeNull();
  });

  it("waits while a completed payment has not arrived", () => {
    expect(verdictOf(strip(3), { sent: 4, answered: 4, paid: 4 }, false)).toBeNull();
  });

  it("is bad if a completed payment never arrives", () => {
    expect(verdictOf(strip(3), { sent: 4, answered: 4, paid: 4 }, true)).toBe(false);
  });

  it("is good once every completed payment has arrived, even if others were refused", () => {
    expect(verdictOf(strip(3), { sent: 4, answered: 4, paid: 3 }, false)).toBe(true);
    expect(outstanding(strip(3), { sent: 4, answered: 4, paid: 3 })).toBe(0);
  });

  it.each([strip(3, 1), strip(3, 0, 1)])("is bad at once after a gap or a repeat", (broken) => {
    expect(verdictOf(broken, { sent: 9, answered: 3, paid: 3 }, false)).toBe(false);
  });
});

describe("a long amount", () => {
  it.each([
    ["$9,000,000,000,000,000.01", ["$9,", "000,", "000,", "000,", "000,", "000.01"]],
    ["9.000.000,01 €", ["9.", "000.", "000,01 €"]],
    ["−$1,234.567", ["−$1,", "234.", "567"]],
    ["¥100", ["¥100"]],
  ])("%s may wrap between its digit groups", (text, groups) => {
    expect(groupsOf(text)).toEqual(groups);
    expect(groups.join("")).toBe(text);
  });
});

describe("an address", () => {
  it.each(["/", "/wallets", "/wallets/wal_1", "/send", "/transactions/txn_1", "/control", "/break", "/send/"])("%s has a page", (path) => {
    expect(isPage(path)).toBe(true);
  });

  it.each(["/no", "/wallets/wal_1/more", "/transactions", "/sendmoney"])("%s has no page", (path) => {
    expect(isPage(path)).toBe(false);
  });
});

it("a date range is backwards only if both dates are given", () => {
  expect(isBackwards({ ...NO_LIMITS, from: "2026-11-20", to: "2026-11-10" })).toBe(true);
  expect(isBackwards({ ...NO_LIMITS, from: "2026-11-20", to: "2026-11-20" })).toBe(false);
  expect(isBackwards({ ...NO_LIMITS, from: "2026-11-20" })).toBe(false);
});
