// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import { EMPTY_RATE, readRate, spreadText, type TypedRate } from "../../src/control/exchange/rate.js";
import { EMPTY, pairOf, questionOf, swapped } from "../../src/convert/draft.js";
import { rateText } from "../../src/fx/words.js";
import { priceQuestionOf, unaffordable, EMPTY as NO_PAYMENT } from "../../src/send/draft.js";
import type { Quote } from "../../src/fx/queries.js";
import type { WalletSummary } from "../../src/wallets/queries.js";

const wallet = (id: string, currency: string, status = "ACTIVE") => ({ id, currency, status }) as WalletSummary;
const DOLLARS = wallet("wal_usd", "USD");
const EUROS = wallet("wal_eur", "EUR");

describe("the words of a rate", () => {
  test.each([
    ["0.92", "1 USD = 0.92 EUR"],
    ["0.00205", "1 USD = 0.00205 EUR"],
    ["1.08695652173913043", "1 USD ≈ 1.0869565 EUR"],
    ["151.25", "1 USD = 151.25 EUR"],
  ])("%s", (rate, words) => {
    expect(rateText({ base: "USD", quote: "EUR", rate }, "en-US")).toBe(words);
  });

  test("a spread is a percentage", () => {
    expect([0, 50, 125].map((points) => spreadText(points, "en-US"))).toEqual(["0%", "0.5%", "1.25%"]);
  });
});

describe("the wallets of a conversion", () => {
  test("are the one of the address and the first in another currency", () => {
    const second = wallet("wal_usd2", "USD");
    expect(pairOf(EMPTY, [DOLLARS, second, EUROS], "wal_usd2")).toMatchObject({ source: second, target: EUROS, targets: [EUROS] });
    expect(pairOf({ ...EMPTY, sourceId: "wal_eur" }, [DOLLARS, second, EUROS], null)).toMatchObject({ source: EUROS, target: DOLLARS });
  });

  test("are none without two active ones in different currencies", () => {
    expect(pairOf(EMPTY, [DOLLARS, wallet("wal_2", "USD")], null)).toBeNull();
    expect(pairOf(EMPTY, [DOLLARS, wallet("wal_2", "EUR", "FROZEN")], null)).toBeNull();
  });

  test("change places, and the typed amount stays with its currency", () => {
    const draft = { ...EMPTY, amount: "5" };
    const pair = pairOf(draft, [DOLLARS, EUROS], null);
    const other = pair === null ? draft : swapped(draft, pair);
    const turned = pairOf(other, [DOLLARS, EUROS], null);
    expect(turned === null ? null : questionOf(other, turned, { ok: true, amount: "5.00" })).toEqual({ from: "EUR", to: "USD", side: "target", amount: { amount: "5.00", currency: "USD" } });
  });
});

describe("a payment in another currency", () => {
  const party = { walletId: "wal_bob", displayName: "Bob", currency: "EUR" };
  const parsed = { ok: true, amount: "5.00" } as const;

  test("asks for a price of the side whose amount was typed", () => {
    expect(priceQuestionOf({ ...NO_PAYMENT, party, side: "target" }, DOLLARS, parsed)).toEqual({ from: "USD", to: "EUR", side: "target", amount: { amount: "5.00", currency: "EUR" } });
    expect(priceQuestionOf({ ...NO_PAYMENT, party: { ...party, currency: "USD" } }, DOLLARS, parsed)).toBeNull();
  });

  test("takes what the price says, with its fee", () => {
    const money = (amount: string) => ({ amount, currency: "USD" });
    const quote = { source: money("100.00"), total: money("101.00") } as Quote;
    expect(unaffordable(null, "101.00", 2, { fee: null, quote })).toBeNull();
    expect(unaffordable(null, "100.50", 2, { fee: null, quote })).toBe("more-than-available-with-fee");
    expect(unaffordable(null, "99.00", 2, { fee: null, quote })).toBe("more-than-available");
  });
});

describe("the form of a rate", () => {
  const typed = { ...EMPTY_RATE, rate: "0.920", reason: "Morning rate" };

  test("gives the exact rate, and the spread in basis points", () => {
    expect(readRate(typed)).toEqual({ input: { base: "USD", quote: "EUR", rate: "0.92", spreadBasisPoints: 50, source: "Set by hand", reason: "Morning rate" } });
    expect(readRate({ ...typed, rate: "100", spread: "0" })).toMatchObject({ input: { rate: "100", spreadBasisPoints: 0 } });
  });

  test("says what is wrong", () => {
    const wrong = (typed: TypedRate): string[] => {
      const read = readRate(typed);
      return "problems" in read ? Object.keys(read.problems) : [];
    };
    expect(wrong({ base: "USD", quote: "USD", rate: "0", spread: "51", source: " ", reason: "" })).toEqual(["quote", "rate", "spread", "source", "reason"]);
    expect(wrong({ ...typed, spread: "0.125" })).toEqual(["spread"]);
  });
});
