import { CombinedError, type Client } from "@urql/core";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { answerOf, attempt, endsIntent, pauseAfter, settle, type Attempt } from "../../src/send/attempt.js";
import { newKey } from "../../src/send/key.js";
import { concludeIntent, openIntents, rememberIntent } from "../../src/send/openIntent.js";
import type { Refusal, SentTransaction } from "../../src/send/queries.js";
import { refusalText } from "../../src/send/refusals.js";
import { graphiqlLink } from "../../src/operations/link.js";
import { readToken } from "../../src/session/token.js";
import { stepsOf } from "../../src/transactions/life.js";

const MONEY = { amount: "1.00", currency: "USD" };
const TRANSACTION: SentTransaction = {
  id: "txn_1",
  status: "COMPLETED",
  failureCode: null,
  createdAt: "2026-11-23T12:00:00Z",
  completedAt: "2026-11-23T12:00:00Z",
  amount: MONEY,
  receiver: null,
};
const TROUBLE = { code: "TIMEOUT", message: "It took too long.", retryAfterSeconds: null };

function refusal(code: Refusal["code"]): Refusal {
  return { __typename: "InvalidInput", code, message: "No.", path: [] };
}

describe("an intent", () => {
  test.each<[string, Attempt, boolean]>([
    ["a payment that was made", answerOf({ transaction: TRANSACTION, replayed: false, userErrors: [] }), true],
    ["a refusal that was recorded", answerOf({ transaction: { ...TRANSACTION, status: "FAILED" }, replayed: false, userErrors: [refusal("INSUFFICIENT_FUNDS")] }), true],
    ["a refusal that left no trace", answerOf({ transaction: null, replayed: false, userErrors: [refusal("INVALID_AMOUNT")] }), false],
    ["a key that belongs to another payment", answerOf({ transaction: null, replayed: false, userErrors: [refusal("IDEMPOTENCY_KEY_REUSED")] }), true],
    ["an answer that was lost", { kind: "unknown", trouble: TROUBLE }, false],
    ["a token that is not accepted", { kind: "stopped", trouble: TROUBLE }, false],
  ])("after %s, its key is used up: %#", (_, result, ends) => {
    expect(endsIntent(result)).toBe(ends);
  });

  test("waits longer each time, and never less than the service asks for", () => {
    expect([1, 2, 3, 9].map((tries) => pauseAfter(tries, TROUBLE))).toEqual([1_000, 2_000, 4_000, 15_000]);
    expect(pauseAfter(1, { ...TROUBLE, retryAfterSeconds: 30 })).toBe(30_000);
    expect(pauseAfter(4, { ...TROUBLE, retryAfterSeconds: 1 })).toBe(8_000);
  });

  test("has a key that the service takes, and no other has", () => {
    const keys = Array.from({ length: 100 }, newKey);
    expect(new Set(keys).size).toBe(100);
    expect(keys.every((key) => /^[0-9a-f]{32}$/.test(key))).toBe(true);
  });

  test("tells a code that is newer than the page in the service's own words", () => {
    expect(refusalText({ code: "INVALID_INPUT", message: "This text must not be blank." })).toBe("This text must not be blank.");
    expect(refusalText({ code: "MOON_PHASE", message: "Not at full moon." })).toBe("Not at full moon.");
  });
});

test("a link opens an operation in GraphiQL as the user", () => {
  const link = graphiqlLink({ query: "query A($id: ID!) { node(id: $id) { id } }", variables: { id: "wal_&=#" } }, "alice");
  const [path, fragment = ""] = link.split("#");
  const given = new URLSearchParams(fragment);
  expect(path).toBe("/graphiql");
  expect(given.get("as")).toBe("alice");
  expect(JSON.parse(given.get("op") ?? "")).toEqual({ query: "query A($id: ID!) { node(id: $id) { id } }", variables: { id: "wal_&=#" } });
});

describe("a token", () => {
  const made = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;

  test("tells whose it is", () => {
    expect(readToken(made({ sub: "åsa", role: "admin", exp: 5 }))).toEqual({ subject: "åsa", isAdmin: true, expiresAt: 5 });
    expect(readToken(made({ sub: "bob" }))).toEqual({ subject: "bob", isAdmin: false, expiresAt: null });
  });

  test.each(["", "abc", "a.b.c", made({}), made({ sub: 5 })])("%j is none", (token) => {
    expect(readToken(token)).toBeNull();
  });
});

describe("a transfer's life", () => {
  const LIFE = {
    transaction_id: "txn_1",
    accepted_at: "2026-11-23T12:00:00.000100Z",
    batched_at: "2026-11-23T12:00:00.000600Z",
    batch_size: 7,
    committed_at: "2026-11-23T12:00:00.005100Z",
    published_at: null,
  };

  test("is counted in milliseconds from its acceptance, with their fractions", () => {
    const deliveredAt = Date.parse("2026-11-23T12:00:00.020Z");
    const times = stepsOf(LIFE, deliveredAt).map(({ at }) => (at === null ? null : Number(at.toFixed(1))));
    expect(times).toEqual([0, 0.5, 5, null, 19.9]);
  });

  test("does not know what nobody has seen", () => {
    expect(stepsOf(LIFE, null).at(-1)?.at).toBeNull();
  });
});

describe("a key whose outcome is unknown", () => {
  const INPUT = { idempotencyKey: "k", senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: MONEY };

  /** A client whose requests fail with these codes, one after the other. */
  function failing(...codes: string[]): Client {
    const errors = codes.map((code) => new CombinedError({ graphQLErrors: [{ message: code, extensions: { code } }] }));
    return { mutation: () => ({ toPromise: () => Promise.resolve({ error: errors.shift() }) }) } as unknown as Client;
  }

  test("stays unknown if a retry is stopped", async () => {
    vi.useFakeTimers();
    const settled = settle(failing("TIMEOUT", "UNAUTHENTICATED"), INPUT);
    await vi.runAllTimersAsync();
    vi.useRealTimers();
    expect((await settled).kind).toBe("unknown");
  });

  test("stays unknown if the next request after a reload is stopped", async () => {
    expect((await attempt(failing("UNAUTHENTICATED"), INPUT, true)).kind).toBe("unknown");
  });

  test("was never unknown if its first request is stopped", async () => {
    expect((await settle(failing("UNAUTHENTICATED"), INPUT)).kind).toBe("stopped");
  });

  test("is unknown after an error with a code that this page does not know", async () => {
    expect((await attempt(failing("A_CODE_OF_A_LATER_RELEASE"), INPUT, false)).kind).toBe("unknown");
  });
});

describe("a payment that is kept over a reload", () => {
  const INPUT = { idempotencyKey: "k", senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: MONEY };
  const DONE = answerOf({ transaction: TRANSACTION, replayed: false, userErrors: [] });
  const UNKNOWN: Attempt = { kind: "unknown", trouble: TROUBLE };
  const STOPPED: Attempt = { kind: "stopped", trouble: TROUBLE };

  beforeEach(() => {
    const stored = new Map<string, string>();
    vi.stubGlobal("sessionStorage", {
      getItem: (name: string) => stored.get(name) ?? null,
      setItem: (name: string, value: string) => stored.set(name, value),
      removeItem: (name: string) => stored.delete(name),
    });
    rememberIntent("alice", INPUT);
    return () => vi.unstubAllGlobals();
  });

  test.each<[string, Attempt[], boolean]>([
    ["it was made", [DONE], false],
    ["it was refused", [answerOf({ transaction: null, replayed: false, userErrors: [refusal("INVALID_AMOUNT")] })], false],
    ["its only request was turned away", [STOPPED], false],
    ["its answer was lost", [UNKNOWN], true],
    ["one of two requests was turned away and the other lost", [STOPPED, UNKNOWN], true],
    ["one of two requests was turned away and the other paid", [STOPPED, DONE], false],
  ])("after %s: %#", (_, answers, isKept) => {
    concludeIntent("alice", INPUT, answers);
    expect(openIntents("alice")).toEqual(isKept ? [INPUT] : []);
  });

  test("stays if one request is turned away while a second one with its key is under way", () => {
    rememberIntent("alice", INPUT);
    concludeIntent("alice", INPUT, [STOPPED]);
    expect(openIntents("alice")).toEqual([INPUT]);
    concludeIntent("alice", INPUT, [DONE]);
    expect(openIntents("alice")).toEqual([]);
  });

  test("is nobody else's", () => {
    expect(openIntents("bob")).toEqual([]);
  });
});
