import { describe, expect, it } from "vitest";
import { peopleOf } from "../../src/palette/people.js";
import { pageOf, scoreOf, soughtIn } from "../../src/palette/search.js";

const WALLET = "wal_01h455vb4pex5vsknk084sn02q";

describe("what a typed text names", () => {
  it.each([
    [WALLET, WALLET],
    [`  ${WALLET.toUpperCase()} `, WALLET],
    [`https://pay.example/wallets/${WALLET}?x=1`, WALLET],
    ["wal_short", null],
    ["everyday", null],
  ])("finds the id in %j", (text, id) => {
    expect(soughtIn(text).id).toBe(id);
  });

  it("takes any visible ASCII for a key, also one that looks like an id", () => {
    expect(soughtIn(" order-17/a ").key).toBe("order-17/a");
    expect(soughtIn(WALLET).key).toBe(WALLET);
  });

  it.each(["", "two words", "naïve", "x".repeat(256)])("does not take %j for a key", (text) => {
    expect(soughtIn(text).key).toBeNull();
  });
});

describe("a search in the palette", () => {
  it("ranks a command that starts with the text over one that has it elsewhere", () => {
    expect(scoreOf("Send", "se")).toBeGreaterThan(scoreOf("Sign in as Serena", "se"));
    expect(scoreOf("Sign in as Serena", "se")).toBeGreaterThan(scoreOf("Nurse", "se"));
  });

  it("wants every word of it, in any order, without case and accents", () => {
    expect(scoreOf("Pay José Baker EUR", "jose pay")).toBeGreaterThan(0);
    expect(scoreOf("Pay José Baker EUR", "jose usd")).toBe(0);
  });

  it("finds names in other scripts", () => {
    expect(scoreOf("レジ JPY", "レジ")).toBe(1);
  });
});

describe("the page of what was found", () => {
  it("is its transaction's for a ledger entry", () => {
    expect(pageOf({ __typename: "LedgerEntry", id: "ent_1", transaction: { id: "txn_1" } })).toBe("/transactions/txn_1");
  });
});

describe("the people of the palette", () => {
  const party = (walletId: string, displayName: string) => ({ walletId, displayName, currency: "USD" });
  const wallet = (id: string, ...payments: readonly (readonly [string, ReturnType<typeof party>])[]) => ({
    node: {
      id,
      currency: "USD",
      transactions: { edges: payments.map(([createdAt, other]) => ({ node: { id: createdAt, createdAt, sender: party(id, "Me"), receiver: other } })) },
    },
  });
  const viewer = (...edges: ReturnType<typeof wallet>[]) => ({ id: "usr_1", wallets: { edges } });

  it("are those of the latest payments, each wallet once, without one's own", () => {
    const found = peopleOf(
      viewer(
        wallet("wal_mine", ["2026-01-03", party("wal_bob", "Bob")], ["2026-01-01", party("wal_bob", "Bob")], ["2026-01-04", party("wal_other", "Me")]),
        wallet("wal_other", ["2026-01-02", party("wal_carol", "Carol")]),
      ),
    );
    expect(found.map(({ displayName, from }) => [displayName, from])).toEqual([
      ["Bob", "wal_mine"],
      ["Carol", "wal_other"],
    ]);
  });
});
