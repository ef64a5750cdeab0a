// @vitest-environment jsdom
import { act, cleanup, render, renderHook, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, test, vi } from "vitest";
import { PricePanel } from "../../src/fx/PricePanel.js";
import { NO_PRICE, type Offer } from "../../src/fx/priceWatch.js";
import type { Quote } from "../../src/fx/queries.js";
import { PRICE_HAS_CHANGED, PRICE_IS_OVER, useConfirm } from "../../src/fx/useConfirm.js";
import type { KnownPrice } from "../../src/fx/usePrice.js";

const money = (amount: string, currency: string) => ({ amount, currency });
const QUOTE: Quote = {
  id: "fxq_1",
  createdAt: "2026-11-28T12:00:00Z",
  expiresAt: "2026-11-28T12:00:30Z",
  source: money("100.00", "USD"),
  target: money("91.54", "EUR"),
  spread: money("0.50", "USD"),
  total: money("101.00", "USD"),
  rate: { base: "USD", quote: "EUR", rate: "0.92" },
  fees: [{ label: "Exchange fee", payer: "SENDER", explanation: "1 % of 100.00 = 1.00", amount: money("1.00", "USD") }],
};

function priceWith(offer: Partial<Offer> | null, changed: Partial<KnownPrice> = {}): KnownPrice {
  const now = Date.now();
  return { ...NO_PRICE, again: vi.fn(), offer: offer === null ? null : { quote: QUOTE, endsAt: now + 20_000, isChanged: false, shownAt: now, ...offer }, ...changed };
}

afterEach(cleanup);

describe("a press", () => {
  const press = (price: KnownPrice) => {
    const take = vi.fn();
    const { result } = renderHook(() => useConfirm(price));
    act(() => result.current.confirm(take));
    return { take, notice: result.current.notice };
  };

  test("takes exactly the price that is shown", () => {
    const { take, notice } = press(priceWith({}));
    expect(take).toHaveBeenCalledExactlyOnceWith(QUOTE);
    expect(notice).toBeNull();
  });

  test("does not take a price that is over, and asks for a new one", () => {
    const price = priceWith({ endsAt: Date.now() - 1 });
    const { take, notice } = press(price);
    expect(take).not.toHaveBeenCalled();
    expect(notice).toBe(PRICE_IS_OVER);
    expect(price.again).toHaveBeenCalledOnce();
  });

  test("does not take a price that changed at this moment", () => {
    expect(press(priceWith({ isChanged: true }))).toMatchObject({ notice: PRICE_HAS_CHANGED });
    expect(press(priceWith({ isChanged: true })).take).not.toHaveBeenCalled();
    expect(press(priceWith({ isChanged: true, shownAt: Date.now() - 1_000 })).take).toHaveBeenCalledOnce();
  });

  test("without a price takes nothing", () => {
    const { take, notice } = press(priceWith(null, { isAsking: true }));
    expect(take).not.toHaveBeenCalled();
    expect(notice).toBeNull();
  });
});

describe("the panel", () => {
  const text = () => document.querySelector(".price")?.textContent ?? "";

  test("says what it costs, with the fee, and how long the price is valid", () => {
    render(<PricePanel price={priceWith({})} receiver="Bob" />);
    expect(text()).toContain("You pay $100.00 and a fee, $101.00 together. $0.50 of it is the spread. Bob gets €91.54 at 1 USD = 0.92 EUR.");
    expect(text()).toContain("Exchange fee: 1 % of 100.00 = 1.00, paid by the sender");
    expect(screen.getByRole("timer").textContent).toMatch(/^(19|20) s$/);
  });

  test("says that a price has changed", () => {
    render(<PricePanel price={priceWith({ isChanged: true })} receiver={null} />);
    expect(text()).toContain("The price has changed.");
  });

  test("says in words why there is no price, and offers to ask again", async () => {
    const price = priceWith(null, { problem: { code: "RATE_UNAVAILABLE", message: "No." } });
    render(<PricePanel price={price} receiver={null} />);
    expect(text()).toContain("There is no current rate between these two currencies.");
    await userEvent.click(screen.getByRole("button", { name: "Get a new price" }));
    expect(price.again).toHaveBeenCalledOnce();
  });
});
