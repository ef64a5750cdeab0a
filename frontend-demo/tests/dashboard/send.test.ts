import { CombinedError, type Client } from "@urql/core";
import { describe, expect, test, vi } from "vitest";
import { settle } from "../../src/send/attempt.js";
import { refusalText } from "../../src/send/refusals.js";
import { graphiqlLink } from "../../src/operations/link.js";
import { readToken } from "../../src/session/token.js";
import { stepsOf } from "../../src/transactions/life.js";

test("shows the service's message for a code that the page does not know", () => {
  expect(refusalText({ code: "INVALID_INPUT", message: "This text must not be blank." })).toBe("This text must not be blank.");
  expect(refusalText({ code: "MOON_PHASE", message: "Not at full moon." })).toBe("Not at full moon.");
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

describe("a transfer over the page's client", () => {
  const INPUT = { idempotencyKey: "k", senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: { amount: "1.00", currency: "USD" } };

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
    expect((await settle(failing("UNAUTHENTICATED"), INPUT, true)).kind).toBe("unknown");
  });

  test("is stopped, not unknown, if its first request is refused without an outcome", async () => {
    expect((await settle(failing("UNAUTHENTICATED"), INPUT)).kind).toBe("stopped");
  });
});
