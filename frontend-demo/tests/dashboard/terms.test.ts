// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import { EMPTY_TERMS, feeOn, hundred, readTerms, termsText } from "../../src/control/fees/terms.js";

const money = (amount: string, currency = "USD") => ({ amount, currency });
const TYPED = { ...EMPTY_TERMS, name: "Card fee", percent: "2.9 %", flat: "0.30", reason: "New prices" };
const NOW = Date.parse("2026-11-27T12:00:00Z");

describe("what a schedule charges", () => {
  test.each([
    [{ percent: "2.9", flat: money("0.30") }, "100.00", "3.20"],
    [{ percent: "2.5" }, "1.00", "0.02"],
    [{ percent: "3.5" }, "1.00", "0.04"],
    [{ percent: "0.000001" }, "100.00", "0.00"],
    [{ percent: "1", minimum: money("0.50") }, "10.00", "0.50"],
    [{ percent: "10", maximum: money("0.75") }, "10.00", "0.75"],
    [{}, "10.00", "0.00"],
  ])("%j on %s is %s", (terms, amount, fee) => {
    expect(feeOn(money(amount), { currency: "USD", ...terms }, 2)).toEqual(money(fee));
  });

  test("is in whole units where the currency has no decimals", () => {
    expect(feeOn(hundred("JPY", 0), { currency: "JPY", percent: "2.9" }, 0)).toEqual(money("3", "JPY"));
  });

  test("is said in words", () => {
    expect(termsText({ currency: "USD", percent: "2.9", flat: money("0.30"), minimum: money("0.50") }, 2)).toBe("2.9% + $0.30, at least $0.50");
    expect(termsText({ currency: "USD" }, 2)).toBe("No fee");
  });
});

describe("the form of a schedule", () => {
  test("becomes the input, without what is empty", () => {
    expect(readTerms(TYPED, 2, NOW)).toEqual({
      name: "Card fee",
      transactionType: "TRANSFER",
      currency: "USD",
      payer: "SENDER",
      percent: "2.9",
      flat: money("0.30"),
      minimum: null,
      maximum: null,
      rounding: "HALF_EVEN",
      validFrom: null,
      reason: "New prices",
    });
    expect(readTerms({ ...TYPED, percent: "", flat: "" }, 2, NOW)).toMatchObject({ percent: null, flat: null });
    expect(readTerms({ ...TYPED, percent: "100" }, 2, NOW)).toMatchObject({ percent: "100" });
  });

  test.each([
    ["name", { name: " " }],
    ["reason", { reason: "" }],
    ["percent", { percent: "101" }],
    ["percent", { percent: "2.1234567" }],
    ["percent", { percent: "", flat: "", minimum: "1" }],
    ["flat", { flat: "0" }],
    ["maximum", { minimum: "2", maximum: "1" }],
    ["validFrom", { validFrom: "2020-01-01T00:00" }],
  ])("names %s as the field at fault: %j", (field, wrong) => {
    const read = readTerms({ ...TYPED, ...wrong }, 2, NOW);
    expect("problems" in read ? Object.keys(read.problems) : []).toEqual([field]);
  });
});
