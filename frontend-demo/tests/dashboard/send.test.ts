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
  test.each<[string, boolean, Attempt]>([
    ["a payment that was made", true, answerOf({ transaction: TRANSACTION, replayed: false, userErrors: [] })],
    ["a refusal that was recorded", true, answerOf({ transaction: { ...TRANSACTION, status: "FAILED" }, replayed: false, userErrors: [refusal("INSUFFICIENT_FUNDS")] })],
    ["a refusal that was not recorded", false, answerOf({ transaction: null, replayed: false, userErrors: [refusal("INVALID_AMOUNT")] })],
    ["a key that belongs to another payment", true, answerOf({ transaction: null, replayed: false, userErrors: [refusal("IDEMPOTENCY_KEY_REUSED")] })],
    ["an answer that was lost", false, { kind: "unknown", trouble: TROUBLE }],
    ["a token that was refused", false, { kind: "stopped", trouble: TROUBLE }],
  ])("after %s, the intent has ended: %s", (_, ends, result) => {
    expect(endsIntent(result)).toBe(ends);
  });

  test("waits longer before each retry, and at least as long as the service requires", () => {
    expect([1, 2, 3, 9].map((tries) => pauseAfter(tries, TROUBLE))).toEqual([1_000, 2_000, 4_000, 15_000]);
    expect(pauseAfter(1, { ...TROUBLE, retryAfterSeconds: 30 })).toBe(30_000);
    expect(pauseAfter(4, { ...TROUBLE, retryAfterSeconds: 1 })).toBe(8_000);
  });

  test("has a unique key that the service accepts", () => {
    const keys = Array.from({ length: 100 }, newKey);
    expect(new Set(keys).size).toBe(100);
    expect(keys.every((key) => /^[0-9a-f]{32}$/.test(key))).toBe(true);
  });

  test("shows the service's message for a code that the page does not know", () => {
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

  test("contains its subject, its role and its expiry", () => {
    expect(readToken(made({ sub: "åsa", role: "admin", exp: 5 }))).toEqual({ subject: "åsa", isAdmin: true, expiresAt: 5 });
    expect(readToken(made({ sub: "bob" }))).toEqual({ subject: "bob", isAdmin: false, expiresAt: null });
  });

  test.each(["", "abc", "a.b.c", made({}), made({ sub: 5 })])("%j is not a token", (token) => {
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

  test("is measured in milliseconds with fractions, from its acceptance", () => {
    const deliveredAt = Date.parse("2026-11-23T12:00:00.020Z");
    const times = stepsOf(LIFE, deliveredAt).map(({ at }) => (at === null ? null : Number(at.toFixed(1))));
    expect(times).toEqual([0, 0.5, 5, null, 19.9]);
  });

  test("has no delivery time if the page did not receive the entry", () => {
    expect(stepsOf(LIFE, null).at(-1)?.at).toBeNull();
  });
});

describe("a key whose outcome is unknown", () => {
  const INPUT = { idempotencyKey: "k", senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: MONEY };

  /** A client whose requests fail with these codes in turn. */
  function failing(...codes: string[]): Client {
    const errors = codes.map((code) => new CombinedError({ graphQLErrors: [{ message: code, extensions: { code } }] }));
    return { mutation: () => ({ toPromise: () => Promise.resolve({ error: errors.shift() }) }) } as unknown as Client;
  }

  test("stays unknown if a retry is refused without an outcome", async () => {
    vi.useFakeTimers();
    const settled = settle(failing("TIMEOUT", "UNAUTHENTICATED"), INPUT);
    await vi.runAllTimersAsync();
    vi.useRealTimers();
    expect((await settled).kind).toBe("unknown");
  });

  test("stays unknown if the first request after a reload is refused without an outcome", async () => {
    expect((await attempt(failing("UNAUTHENTICATED"), INPUT, true)).kind).toBe("unknown");
  });

  test("is stopped, not unknown, if its first request is refused without an outcome", async () => {
    expect((await settle(failing("UNAUTHENTICATED"), INPUT)).kind).toBe("stopped");
  });

  test("is unknown after an error with a code that the page does not know", async () => {
    expect((await attempt(failing("A_CODE_OF_A_LATER_RELEASE"), INPUT, false)).kind).toBe("unknown");
  });
});

describe("a payment that is stored for a reload", () => {
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

  test.each<[string, boolean, Attempt[]]>([
    ["it was paid", false, [DONE]],
    ["it was refused", false, [answerOf({ transaction: null, replayed: false, userErrors: [refusal("INVALID_AMOUNT")] })]],
    ["its only request was refused without an outcome", false, [STOPPED]],
    ["its answer was lost", true, [UNKNOWN]],
    ["one of two requests was refused and the other lost", true, [STOPPED, UNKNOWN]],
    ["one of two requests was refused and the other paid", false, [STOPPED, DONE]],
  ])("if %s, it is kept: %s", (_, isKept, answers) => {
    concludeIntent("alice", INPUT, answers);
    expect(openIntents("alice")).toEqual(isKept ? [INPUT] : []);
  });

  test("is kept if one request is refused while another with the same key is running", () => {
    rememberIntent("alice", INPUT);
    concludeIntent("alice", INPUT, [STOPPED]);
    expect(openIntents("alice")).toEqual([INPUT]);
    concludeIntent("alice", INPUT, [DONE]);
    expect(openIntents("alice")).toEqual([]);
  });

  test("is not visible to another user", () => {
    expect(openIntents("bob")).toEqual([]);
  });
});
