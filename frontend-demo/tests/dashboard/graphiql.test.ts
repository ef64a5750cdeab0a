import { describe, expect, test } from "vitest";
import { exchangeWallets } from "../../src/graphiql/exchange.js";
import { isLost, resumed } from "../../src/graphiql/resume.js";

const wallet = (name: string, currency: string) => ({ id: `wal_${name.padEnd(26, "0")}`, name, currency });
const ALICE = { wallets: [wallet("alice1", "USD"), wallet("alice2", "JPY"), wallet("alice3", "USD")] };
const BOB = { wallets: [wallet("bob1", "USD"), wallet("bob2", "EUR")] };
const idOf = (name: string): string => wallet(name, "").id;

describe("another user for an operation", () => {
  test("gets the places of the earlier one's wallets, by currency, and the earlier one theirs", () => {
    const text = JSON.stringify({ senderWalletId: idOf("alice1"), receiverWalletId: idOf("bob1"), other: idOf("carol") });
    const exchanged = exchangeWallets(text, ALICE, BOB);
    expect(JSON.parse(exchanged)).toEqual({ senderWalletId: idOf("bob1"), receiverWalletId: idOf("alice1"), other: idOf("carol") });
    expect(exchangeWallets(exchanged, BOB, ALICE)).toBe(text);
  });

  test("without a wallet in a currency changes nothing of it", () => {
    expect(exchangeWallets(idOf("alice2"), ALICE, BOB)).toBe(idOf("alice2"));
    expect(exchangeWallets("{ not JSON", ALICE, { wallets: [] })).toBe("{ not JSON");
  });
});

describe("a subscription", () => {
  const request = { query: "subscription Watch($wallet: ID!, $after: String) { x }", variables: { wallet: "wal_1", after: null } };

  test("resumes after its newest cursor, if it has such an argument", () => {
    const newest = { data: { walletUpdated: { cursor: "c9" } } };
    expect(resumed(request, newest).variables).toEqual({ wallet: "wal_1", after: "c9" });
    expect(resumed(request, undefined)).toBe(request);
    const without = { ...request, query: "subscription { transactionSettled { cursor } }" };
    expect(resumed(without, newest)).toBe(without);
  });

  test.each([
    [{ code: 1006, reason: "" }, true],
    [{ code: 1012, reason: "Service Restart" }, true],
    [new Event("error"), true],
    [{ code: 4401, reason: "Unauthorized" }, false],
    [{ code: 4403, reason: "Forbidden" }, false],
    [[{ message: "NOT_FOUND" }], false],
  ])("connects again if its connection was lost, and not if it was refused: %#", (error, expected) => {
    expect(isLost(error)).toBe(expected);
  });
});
