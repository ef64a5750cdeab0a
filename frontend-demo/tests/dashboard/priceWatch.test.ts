// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isOpen, isUnread, NO_PRICE, PriceWatch, UNREAD_MILLISECONDS, type Price, type PriceAnswer } from "../../src/fx/priceWatch.js";
import type { Quote } from "../../src/fx/queries.js";

const SECONDS = 30;

function quote(target: string): Quote {
  const money = (amount: string, currency: string) => ({ amount, currency });
  return {
    id: `fxq_${target}`,
    createdAt: "2026-11-28T12:00:00Z",
    expiresAt: `2026-11-28T12:00:${SECONDS}Z`,
    source: money("100.00", "USD"),
    target: money(target, "EUR"),
    spread: money("0.50", "USD"),
    total: money("100.00", "USD"),
    rate: { base: "USD", quote: "EUR", rate: "0.92" },
    fees: [],
  };
}

const quoted = (target = "91.54"): PriceAnswer => ({ kind: "quoted", quote: quote(target) });
const refused = (code: string): PriceAnswer => ({ kind: "refused", refusal: { code, message: code } });
const failed = (code: string, retryAfterSeconds: number | null = null): PriceAnswer => ({ kind: "failed", trouble: { code, message: code, retryAfterSeconds } });

describe("a price", () => {
  let answers: PriceAnswer[];
  let asked: number;
  let price: Price;
  let watch: PriceWatch;
  let isHidden: boolean;
  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
  const show = (hidden: boolean): void => {
    isHidden = hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  };

  beforeEach(() => {
    vi.useFakeTimers();
    isHidden = false;
    vi.spyOn(document, "hidden", "get").mockImplementation(() => isHidden);
    [answers, asked, price] = [[], 0, NO_PRICE];
    const ask = () => {
      asked += 1;
      return Promise.resolve(answers.shift() ?? quoted());
    };
    watch = new PriceWatch(ask, (next) => {
      price = next;
    });
  });

  afterEach(() => {
    watch.stop();
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  test("is asked for again before it is over, so that there is always one that can be taken", async () => {
    watch.start();
    await pass(0);
    for (let second = 0; second < 120; second += 1) {
      expect(isOpen(price.offer)).toBe(true);
      await pass(1);
    }
    expect(asked).toBe(5);
  });

  test("that changed says so, and cannot be taken before it can have been read", async () => {
    answers = [quoted("91.54"), quoted("91.54"), quoted("90.00")];
    watch.start();
    await pass(28);
    expect(price.offer).toMatchObject({ isChanged: false, quote: { target: { amount: "91.54" } } });
    await pass(26.5);
    expect(price.offer).toMatchObject({ isChanged: true, quote: { target: { amount: "90.00" } } });
    expect(price.offer !== null && isUnread(price.offer)).toBe(true);
    await pass(UNREAD_MILLISECONDS / 1_000);
    expect(price.offer !== null && isUnread(price.offer)).toBe(false);
  });

  test("is not asked for while the page is hidden, and at once when it is seen again", async () => {
    watch.start();
    await pass(0);
    show(true);
    await pass(300);
    expect(asked).toBe(1);
    expect(price.offer).toBeNull();
    show(false);
    await pass(0);
    expect(asked).toBe(2);
    expect(isOpen(price.offer)).toBe(true);
    show(true);
    show(false);
    expect(asked).toBe(2);
  });

  test("that was not answered in time is over, however long the next answer takes", async () => {
    answers = [quoted(), failed("NETWORK"), failed("NETWORK"), failed("NETWORK")];
    watch.start();
    await pass(29);
    expect(isOpen(price.offer)).toBe(true);
    expect(price.problem?.code).toBe("NETWORK");
    await pass(1.5);
    expect(price.offer).toBeNull();
    await pass(10);
    expect(isOpen(price.offer)).toBe(true);
  });

  test("that cannot be asked for now is asked for after the pause that the service names", async () => {
    answers = [failed("RATE_LIMITED", 40)];
    watch.start();
    await pass(39);
    expect(asked).toBe(1);
    await pass(1.5);
    expect(asked).toBe(2);
  });

  test.each([
    ["RATE_UNAVAILABLE", 2],
    ["AMOUNT_TOO_SMALL", 1],
  ])("that is refused with %s is asked for again only if that may change by itself", async (code, times) => {
    answers = [refused(code)];
    watch.start();
    await pass(20);
    expect(asked).toBe(times);
  });

  test("of a form that nobody touches rests, until somebody asks for one", async () => {
    watch.start();
    await pass(3_600);
    expect(asked).toBe(20);
    expect(price).toMatchObject({ offer: null, isResting: true });
    watch.again();
    await pass(0);
    expect(asked).toBe(21);
    expect(isOpen(price.offer)).toBe(true);
  });

  test("of a form that is gone is not asked for", async () => {
    watch.start();
    await pass(0);
    watch.stop();
    show(true);
    show(false);
    await pass(300);
    expect(asked).toBe(1);
  });
});
