import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AmbientPayments, MOST_UNTOUCHED, type Turn } from "../../src/landing/ambient.js";
import type { Attempt } from "../../src/send/attempt.js";

const DONE = { kind: "done", replayed: false } as unknown as Attempt;
const UNKNOWN: Attempt = { kind: "unknown", trouble: { code: "NETWORK", message: "The service did not answer.", retryAfterSeconds: null } };
const REFUSED: Attempt = {
  kind: "refused",
  refusals: [{ __typename: "InsufficientFunds", code: "INSUFFICIENT_FUNDS", message: "Too little." } as never],
  transaction: null,
  replayed: false,
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A service that hands out a payment every second, and answers as the test says. */
class World {
  isReady = true;
  isSpent = false;
  asked = 0;
  answers: Attempt[] = [];
  readonly sent: { readonly key: string; readonly wasUnknown: boolean }[] = [];
  readonly payments: AmbientPayments;

  constructor(isOn = true) {
    this.payments = new AmbientPayments(
      {
        isReady: () => this.isReady,
        ask: () => Promise.resolve(this.#turn()),
        send: (_payer, { idempotencyKey }, wasUnknown) => {
          this.sent.push({ key: idempotencyKey, wasUnknown });
          return Promise.resolve(this.answers.shift() ?? DONE);
        },
      },
      isOn,
    );
  }

  #turn(): Turn {
    this.asked += 1;
    if (this.isSpent) {
      return { payment: null, wait_seconds: null };
    }
    const payment = {
      payer: "alice",
      idempotency_key: `ambient-${this.asked}`,
      sender_wallet_id: "wal_a",
      receiver_wallet_id: "wal_b",
      amount: "1.00",
      currency: "USD",
      description: "Coffee",
    };
    return { payment, wait_seconds: 1 };
  }
}

describe("ambient payments", () => {
  test("keep the pace that the service sets", async () => {
    const world = new World();
    world.payments.start();
    await vi.advanceTimersByTimeAsync(10_500);
    expect(world.sent.map(({ key }) => key)).toEqual(Array.from({ length: 11 }, (_, index) => `ambient-${index + 1}`));
  });

  test("send a payment without an answer again with its key, before they ask for the next one", async () => {
    const world = new World();
    world.answers = [UNKNOWN, UNKNOWN];
    world.payments.start();
    await vi.advanceTimersByTimeAsync(100);
    expect(world.payments.state.isUnanswered).toBe(true);
    await vi.advanceTimersByTimeAsync(3_500);
    expect(world.sent.slice(0, 4)).toEqual([
      { key: "ambient-1", wasUnknown: false },
      { key: "ambient-1", wasUnknown: true },
      { key: "ambient-1", wasUnknown: true },
      { key: "ambient-2", wasUnknown: false },
    ]);
    expect(world.payments.state.isUnanswered).toBe(false);
  });

  test("send a payment without an answer again at once if the service is back", async () => {
    const world = new World();
    world.answers = [UNKNOWN];
    world.payments.start();
    await vi.advanceTimersByTimeAsync(100);
    world.payments.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(world.sent.map(({ key }) => key).slice(0, 2)).toEqual(["ambient-1", "ambient-1"]);
  });

  test("are not made while the page is hidden or the service is lost", async () => {
    const world = new World();
    world.isReady = false;
    world.payments.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.asked).toBe(0);
    world.isReady = true;
    world.payments.wake();
    await vi.advanceTimersByTimeAsync(0);
    expect(world.sent).toHaveLength(1);
  });

  test("rest after many without a touch of the page, and go on at the next touch", async () => {
    const world = new World();
    world.payments.start();
    await vi.advanceTimersByTimeAsync((MOST_UNTOUCHED + 50) * 1_000);
    expect(world.sent).toHaveLength(MOST_UNTOUCHED);
    expect(world.payments.state.mode).toBe("resting");
    world.payments.touched();
    await vi.advanceTimersByTimeAsync(2_500);
    expect(world.sent.length).toBeGreaterThan(MOST_UNTOUCHED);
    expect(world.payments.state.mode).toBe("on");
  });

  test("stop if they are turned off, and if the page is left", async () => {
    const world = new World();
    const stop = world.payments.start();
    await vi.advanceTimersByTimeAsync(1_500);
    world.payments.turn(false);
    await vi.advanceTimersByTimeAsync(20_000);
    expect([world.sent.length, world.payments.state.mode]).toEqual([2, "off"]);
    world.payments.turn(true);
    await vi.advanceTimersByTimeAsync(2_500);
    const made = world.sent.length;
    expect(made).toBeGreaterThan(2);
    stop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(world.sent).toHaveLength(made);
  });

  test("end for the day if the service has none left, and ask only now and then", async () => {
    const world = new World();
    world.isSpent = true;
    world.payments.start();
    await vi.advanceTimersByTimeAsync(150_000);
    expect([world.payments.state.mode, world.asked]).toEqual(["spent", 3]);
  });

  test("slow down while the ledger refuses them, and say why", async () => {
    const world = new World();
    world.answers = [REFUSED, REFUSED];
    world.payments.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([world.sent.length, world.payments.state.refusal]).toEqual([2, "There is not enough money in the wallet."]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(world.payments.state.refusal).toBeNull();
  });
});
