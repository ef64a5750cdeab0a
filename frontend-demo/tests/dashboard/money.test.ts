import { describe, expect, test } from "vitest";
import { decimalsOf, fromMinor, sum, toMinor } from "../../src/money/decimal.js";
import { formatChange, formatMoney } from "../../src/money/format.js";
import { amountPlaceholder, parseAmount, typedAmount } from "../../src/money/input.js";

/** Replaces no-break spaces, which look like other spaces in an editor, and removes direction marks. */
function plain(text: string): string {
  return text.replaceAll(/[\u00a0\u202f]/g, " ").replaceAll(/[\u200e\u200f]/g, "");
}

describe("decimals", () => {
  test.each([
    ["12.34", 2, 1234n],
    ["0", 2, 0n],
    ["-0.50", 2, -50n],
    ["595810", 0, 595810n],
    ["1.5", 3, 1500n],
    ["92233720368547758.07", 2, 2n ** 63n - 1n],
  ])("%s with exponent %i is %s minor units", (amount, exponent, minor) => {
    expect(toMinor(amount, exponent)).toBe(minor);
  });

  test.each([["1.234", 2], ["1.0", 0], ["", 2], ["1e3", 2], ["1,000", 2], [".5", 2], ["NaN", 2]])("%j is refused with exponent %i", (amount, exponent) => {
    expect(() => toMinor(amount, exponent)).toThrow(RangeError);
  });

  test.each([
    [1234n, 2, "12.34"],
    [5n, 3, "0.005"],
    [0n, 2, "0.00"],
    [-7n, 2, "-0.07"],
    [-120n, 0, "-120"],
    [2n ** 63n - 1n, 2, "92233720368547758.07"],
  ])("%s minor units with exponent %i are %s", (minor, exponent, amount) => {
    expect(fromMinor(minor, exponent)).toBe(amount);
    expect(toMinor(amount, exponent)).toBe(minor);
  });

  test("a sum is exact even if it would not be as a Number", () => {
    expect(sum(["0.10", "0.20", "-0.30"], 2)).toBe("0.00");
    expect(sum(["90071992547409.93", "0.01"], 2)).toBe("90071992547409.94");
  });

  test.each([["1.00", 2], ["1", 0], ["0.500", 3]])("%s has %i decimals", (amount, decimals) => {
    expect(decimalsOf(amount)).toBe(decimals);
  });
});

describe("a formatted amount", () => {
  test.each([
    ["1234.50", "USD", 2, "en-US", "$1,234.50"],
    ["1234.50", "USD", 2, "de-DE", "1.234,50 $"],
    ["1234.50", "EUR", 2, "fr-FR", "1 234,50 €"],
    ["-1234.50", "EUR", 2, "en-US", "−€1,234.50"],
    ["-0.05", "USD", 2, "en-US", "−$0.05"],
    ["595810", "JPY", 0, "en-US", "¥595,810"],
    ["2700.125", "KWD", 3, "en-US", "KWD 2,700.125"],
    ["1234567.00", "INR", 2, "en-IN", "₹12,34,567.00"],
    // Too large for a Number, which would change the last digits.
    ["92233720368547758.07", "USD", 2, "en-US", "$92,233,720,368,547,758.07"],
  ])("%s %s with exponent %i in %s is %s", (amount, currency, exponent, locale, text) => {
    expect(plain(formatMoney({ amount, currency }, exponent, locale))).toBe(text);
  });

  test("uses the digits of the locale", () => {
    expect(formatMoney({ amount: "1234.50", currency: "EGP" }, 2, "ar-EG")).toContain("١٬٢٣٤٫٥٠");
  });

  test("has as many decimals as the API's exponent says, even if Intl uses another number", () => {
    expect(formatMoney({ amount: "5.0000", currency: "USD" }, 4, "en-US")).toBe("$5.0000");
    expect(formatMoney({ amount: "5", currency: "USD" }, 0, "en-US")).toBe("$5");
    expect(formatMoney({ amount: "5.00", currency: "JPY" }, undefined, "en-US")).toBe("¥5.00");
  });

  test("of a debit has a minus sign and of a credit a plus sign", () => {
    expect(formatChange({ amount: "5.00", currency: "USD" }, "DEBIT", 2, "en-US")).toBe("−$5.00");
    expect(formatChange({ amount: "5.00", currency: "USD" }, "CREDIT", 2, "en-US")).toBe("+$5.00");
  });
});

describe("a negative amount", () => {
  test.each(["en-US", "de-DE", "ja-JP", "ar-EG", "sv-SE"])("has the minus sign U+2212 in %s", (locale) => {
    const text = formatMoney({ amount: "-1800000", currency: "JPY" }, 0, locale);
    expect(text).toContain("−");
    expect(text).not.toContain("-");
  });
});

describe("a typed amount", () => {
  test.each([
    ["12.34", "USD", 2, "en-US", "12.34"],
    [" 12 ", "USD", 2, "en-US", "12.00"],
    ["12.", "USD", 2, "en-US", "12.00"],
    [".5", "USD", 2, "en-US", "0.50"],
    [",5", "EUR", 2, "de-DE", "0.50"],
    ["0.005", "KWD", 3, "en-US", "0.005"],
    ["007", "JPY", 0, "en-US", "7"],
    ["92233720368547758.07", "USD", 2, "en-US", "92233720368547758.07"],
    ["92,233,720,368,547,758.07", "USD", 2, "en-US", "92233720368547758.07"],
  ])("%j of %s with exponent %i in %s is %s", (typed, currency, exponent, locale, amount) => {
    expect(parseAmount(typed, { currency, exponent, locale })).toEqual({ ok: true, amount });
  });

  test.each([
    ["1,234.50", "USD", "en-US", "1234.50"],
    ["1,234,567", "USD", "en-US", "1234567.00"],
    ["1.234,50", "EUR", "de-DE", "1234.50"],
    ["1 234,50", "EUR", "fr-FR", "1234.50"],
    ["1\u202f234,50", "EUR", "fr-FR", "1234.50"],
    ["1’234.50", "CHF", "de-CH", "1234.50"],
    ["12,34,567.50", "INR", "en-IN", "1234567.50"],
    // Not the locale's format, but unambiguous.
    ["1.234,50", "USD", "en-US", "1234.50"],
    ["1,234.50", "EUR", "de-DE", "1234.50"],
    ["12.5", "EUR", "de-DE", "12.50"],
    ["12,50", "USD", "en-US", "12.50"],
    ["1.234.567", "USD", "en-US", "1234567.00"],
  ])("%j of %s in %s is grouped, and is %s", (typed, currency, locale, amount) => {
    expect(parseAmount(typed, { currency, exponent: 2, locale })).toEqual({ ok: true, amount });
  });

  test.each([
    ["１２.５０", "USD", 2, "en-US", "12.50"],
    ["１，２３４．５０", "USD", 2, "ja-JP", "1234.50"],
    ["١٬٢٣٤٫٥٠", "EGP", 2, "ar-EG", "1234.50"],
    ["١٢٫٥", "EGP", 2, "ar-EG", "12.50"],
    ["۱۲٫۵", "USD", 2, "fa-IR", "12.50"],
    ["१२.५", "INR", 2, "hi-IN", "12.50"],
    ["١٬٢٣٤", "EGP", 2, "en-US", "1234.00"],
  ])("%j of %s has digits of another script, and with exponent %i in %s is %s", (typed, currency, exponent, locale, amount) => {
    expect(parseAmount(typed, { currency, exponent, locale })).toEqual({ ok: true, amount });
  });

  test.each([
    ["$5", "USD", 2, "en-US", "5.00"],
    ["US$5", "USD", 2, "en-US", "5.00"],
    ["5 usd", "USD", 2, "en-US", "5.00"],
    ["5,00 €", "EUR", 2, "de-DE", "5.00"],
    ["￥１２０", "JPY", 0, "ja-JP", "120"],
    ["120円", "JPY", 0, "ja-JP", "120"],
  ])("%j may contain its currency %s; with exponent %i in %s it is %s", (typed, currency, exponent, locale, amount) => {
    expect(parseAmount(typed, { currency, exponent, locale })).toEqual({ ok: true, amount });
  });

  test.each([
    ["1,234", 2, "en-US", { ok: true, amount: "1234.00" }],
    ["1,234", 3, "en-US", { ok: true, amount: "1234.000" }],
    ["1.234", 3, "en-US", { ok: true, amount: "1.234" }],
    ["1.234", 2, "de-DE", { ok: true, amount: "1234.00" }],
    ["1,234", 3, "de-DE", { ok: true, amount: "1.234" }],
    ["1,234", 2, "de-DE", { ok: false, problem: "too-many-decimals" }],
    ["1.234", 2, "fr-FR", { ok: false, problem: "ambiguous" }],
    ["1,234", 3, "ar-EG", { ok: false, problem: "ambiguous" }],
    ["0,500", 3, "en-US", { ok: true, amount: "0.500" }],
  ])("%j with exponent %i is ambiguous, and is read by the rules of %s", (typed, exponent, locale, read) => {
    expect(parseAmount(typed, { currency: "KWD", exponent, locale })).toEqual(read);
  });

  test.each([
    ["", 2, "en-US", "empty"],
    ["abc", 2, "en-US", "no-number"],
    ["-5", 2, "en-US", "no-number"],
    ["−5", 2, "en-US", "no-number"],
    ["1e3", 2, "en-US", "no-number"],
    [".", 2, "en-US", "no-number"],
    ["1.2.3", 2, "en-US", "no-number"],
    ["1,23.50", 2, "en-US", "no-number"],
    ["1,234 567.50", 2, "en-US", "no-number"],
    ["12 34", 2, "en-US", "no-number"],
    ["1,234,56", 2, "en-US", "no-number"],
    ["1".repeat(61), 2, "en-US", "no-number"],
    ["€5", 2, "en-US", "other-currency"],
    ["5 EUR", 2, "en-US", "other-currency"],
    ["1.234", 2, "en-US", "too-many-decimals"],
    ["1.5", 0, "en-US", "too-many-decimals"],
    ["0.00", 2, "en-US", "not-positive"],
    ["92233720368547758.08", 2, "en-US", "too-large"],
  ])("%j with exponent %i in %s is refused: %s", (typed, exponent, locale, problem) => {
    expect(parseAmount(typed, { currency: "USD", exponent, locale })).toEqual({ ok: false, problem });
  });

  test.each(["en-US", "de-DE", "fr-FR", "ar-EG", "de-CH", "en-IN"])("an amount that the page puts into the field is parsed as the same amount in %s", (locale) => {
    for (const amount of ["1.234", "123.400", "0.001", "1234567.890"]) {
      expect(parseAmount(typedAmount(amount, locale), { currency: "KWD", exponent: 3, locale })).toEqual({ ok: true, amount });
    }
  });

  test.each([[2, "en-US", "0.00"], [3, "de-DE", "0,000"], [0, "en-US", "0"]])("an example with exponent %i in %s is %s", (exponent, locale, text) => {
    expect(amountPlaceholder(exponent, locale)).toBe(text);
  });
});
