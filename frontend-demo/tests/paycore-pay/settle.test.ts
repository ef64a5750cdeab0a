import { describe, expect, test } from "vitest";
import {
  answerOf,
  attempt,
  endsIntent,
  memoryStorage,
  newKey,
  OpenPayments,
  pauseAfter,
  settle,
  TransferError,
  type Attempt,
  type Transfer,
  type TransferPayload,
} from "../../src/paycore-pay/index.js";
import { TIMING, WANTED } from "./service.js";

const INPUT = { ...WANTED, idempotencyKey: "k" };
const TRANSACTION = { id: "txn_1", status: "COMPLETED", failureCode: null, createdAt: "", completedAt: "", amount: WANTED.amount };
const TROUBLE = { code: "TIMEOUT", message: "It took too long.", retryAfterSeconds: null };
const SIGNAL = new AbortController().signal;

const refused = (code: string, transaction: TransferPayload["transaction"] = null): Attempt =>
  answerOf({ transaction, replayed: false, userErrors: [{ code, message: "No.", path: [] }] });
const DONE = answerOf<TransferPayload>({ transaction: TRANSACTION, replayed: false, userErrors: [] });
const UNKNOWN: Attempt = { kind: "unknown", trouble: TROUBLE };
const STOPPED: Attempt = { kind: "stopped", trouble: TROUBLE };

/** Requests that fail with these codes, one after the other. */
function failing(...codes: string[]): Transfer<TransferPayload> {
  return () => Promise.reject(new TransferError({ ...TROUBLE, code: codes.shift() ?? "INTERNAL" }));
}

describe("a key", () => {
  test.each<[string, Attempt, boolean]>([
    ["a payment that was made", DONE, true],
    ["a refusal that was recorded", refused("INSUFFICIENT_FUNDS", { ...TRANSACTION, status: "FAILED" }), true],
    ["a refusal that left no record", refused("INVALID_AMOUNT"), false],
    ["a key that belongs to another payment", refused("IDEMPOTENCY_KEY_REUSED"), true],
    ["an answer that was lost", UNKNOWN, false],
    ["a token that is not accepted", STOPPED, false],
  ])("after %s, is used up: %#", (_, result, ends) => {
    expect(endsIntent(result)).toBe(ends);
  });

  test("is one that the service takes, and no other is the same", () => {
    const keys = Array.from({ length: 100 }, newKey);
    expect(new Set(keys).size).toBe(100);
    expect(keys.every((key) => /^[0-9a-f]{32}$/.test(key))).toBe(true);
  });
});

describe("an answer", () => {
  test.each<[string, Attempt["kind"]]>([["COMPLETED", "done"], ["FAILED", "refused"], ["PENDING", "unknown"]])("with a transaction that is %s is %s", (status, kind) => {
    expect(answerOf({ transaction: { ...TRANSACTION, status }, replayed: true, userErrors: [] }).kind).toBe(kind);
  });

  test.each(["TIMEOUT", "A_CODE_OF_A_LATER_RELEASE", "RATE_LIMITED"])("of code %s leaves the first request unknown", async (code) => {
    expect((await attempt(failing(code), INPUT, false, SIGNAL)).kind).toBe("unknown");
  });

  test("that ends a retry before anything runs leaves it unknown", async () => {
    expect((await settle(failing("TIMEOUT", "UNAUTHENTICATED"), INPUT, { timing: TIMING })).kind).toBe("unknown");
    expect((await attempt(failing("UNAUTHENTICATED"), INPUT, true, SIGNAL)).kind).toBe("unknown");
    expect((await settle(failing("UNAUTHENTICATED"), INPUT)).kind).toBe("stopped");
  });

  test("that is an error of the transport itself leaves it unknown", async () => {
    const broken: Transfer<TransferPayload> = () => {
      throw new TypeError("undefined is not a function");
    };
    expect(await attempt(broken, INPUT, false, SIGNAL)).toMatchObject({ kind: "unknown", trouble: { code: "NETWORK" } });
  });
});

test("the pauses grow up to a limit, and are never shorter than the service asks for", () => {
  expect([1, 2, 3, 9].map((tries) => pauseAfter(tries, TROUBLE))).toEqual([1_000, 2_000, 4_000, 15_000]);
  expect(pauseAfter(1, { ...TROUBLE, retryAfterSeconds: 30 })).toBe(30_000);
  expect(pauseAfter(4, { ...TROUBLE, retryAfterSeconds: 1 })).toBe(8_000);
});

describe("a payment that is kept over a reload", () => {
  const kept = (answers: readonly Attempt[], sends = answers.length): readonly object[] => {
    const payments = new OpenPayments("alice", memoryStorage());
    Array.from({ length: sends }, () => payments.remember(INPUT));
    answers.forEach((answer) => payments.conclude(INPUT, answer));
    return payments.list();
  };

  test.each<[string, boolean, Attempt[]]>([
    ["it was paid", false, [DONE]],
    ["it was refused", false, [refused("INVALID_AMOUNT")]],
    ["its only request ended before anything ran", false, [STOPPED]],
    ["its answer was lost", true, [UNKNOWN]],
    ["one of two requests ended before anything ran and the other was lost", true, [STOPPED, UNKNOWN]],
    ["one of two requests ended before anything ran and the other paid", false, [STOPPED, DONE]],
  ])("if %s, is kept: %s", (_, isKept, answers) => {
    expect(kept(answers)).toEqual(isKept ? [INPUT] : []);
  });

  test("is kept if one request ends before anything runs while another with its key is running", () => {
    expect(kept([STOPPED], 2)).toEqual([INPUT]);
  });
});
