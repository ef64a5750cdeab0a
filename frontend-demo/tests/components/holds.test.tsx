// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { partOf } from "../../src/checkout/Steps.js";
import { endOf } from "../../src/break/holding.js";
import { CaptureDialog } from "../../src/holds/CaptureDialog.js";
import { timeText } from "../../src/holds/Countdown.js";
import type { Hold, HoldActionPayload, WalletHolds } from "../../src/holds/queries.js";
import { listedAt } from "../../src/holds/state.js";
import { hearDate, serverNow } from "../../src/live/serverClock.js";
import { heldOf } from "../../src/money/held.js";
import type { Attempt } from "../../src/paycore-pay/index.js";

const usd = (amount: string) => ({ amount, currency: "USD" });
const party = (name: string) => ({ walletId: `wal_${name}`, displayName: name, wallet: null });

function hold(change: Partial<Hold> = {}): Hold {
  return {
    id: "hld_1",
    status: "OPEN",
    description: null,
    createdAt: "2026-11-28T10:00:00Z",
    expiresAt: "2026-11-28T10:01:00Z",
    closedAt: null,
    amount: usd("40.00"),
    captured: usd("0.00"),
    released: usd("0.00"),
    remaining: usd("40.00"),
    wallet: party("Alice"),
    receiver: party("Bob"),
    ...change,
  };
}

beforeAll(() => {
  HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (this: HTMLDialogElement) {
    this.open = false;
  };
});

afterEach(cleanup);

describe("a capture's dialog", () => {
  function open() {
    const onConfirm = vi.fn();
    render(<CaptureDialog hold={hold()} onConfirm={onConfirm} onClose={() => undefined} />);
    return { onConfirm, amount: screen.getByLabelText("Amount in USD") };
  }

  test("captures all that remains, and then there is no rest to decide about", async () => {
    const { onConfirm } = open();
    expect(screen.getByLabelText<HTMLInputElement>(/Keep it held/).matches(":disabled")).toBe(true);
    await userEvent.click(screen.getByRole("button", { name: /^Capture .*40\.00/ }));
    expect(onConfirm).toHaveBeenCalledWith(usd("40.00"), false);
  });

  test.each([[true, /Keep it held/], [false, /Release it/]])("captures a part, and keeps the rest: %j", async (keeps, choice) => {
    const { onConfirm, amount } = open();
    await userEvent.clear(amount);
    await userEvent.type(amount, "12.5");
    await userEvent.click(screen.getByLabelText(choice));
    await userEvent.click(screen.getByRole("button", { name: /^Capture .*12\.50/ }));
    expect(onConfirm).toHaveBeenCalledWith(usd("12.50"), keeps);
  });

  test("refuses more than remains", async () => {
    const { onConfirm, amount } = open();
    await userEvent.clear(amount);
    await userEvent.type(amount, "40.01");
    await userEvent.click(screen.getByRole("button", { name: "Capture" }));
    expect(onConfirm).not.toHaveBeenCalled();
    expect(document.activeElement).toBe(amount);
  });
});

describe("a wallet's holds", () => {
  const edges = (...nodes: Hold[]) => ({ edges: nodes.map((node) => ({ node })), pageInfo: { hasNextPage: false } });
  const found = (outgoing: Hold[], newest: Hold[]): WalletHolds => ({ id: "wal_1", outgoing: edges(...outgoing), incoming: edges(), newestOutgoing: edges(...newest), newestIncoming: edges() });
  const second = Date.parse("2026-11-28T10:01:00Z") / 1_000;

  test("move to those that have ended at the instant of their expiry", () => {
    const open = found([hold()], [hold()]);
    expect(listedAt(open, second - 1)).toMatchObject({ outgoing: [{ id: "hld_1" }], ended: [] });
    expect(listedAt(open, second)).toMatchObject({ outgoing: [], ended: [{ hold: { id: "hld_1" }, isIncoming: false }] });
  });

  test("that have ended are listed by their end, the last one first", () => {
    const ended = [hold({ id: "hld_2", status: "RELEASED", closedAt: "2026-11-28T10:00:30Z" }), hold({ id: "hld_3", status: "CAPTURED", closedAt: "2026-11-28T10:00:40Z" })];
    expect(listedAt(found([], ended), second).ended.map((one) => one.hold.id)).toEqual(["hld_3", "hld_2"]);
  });

  test("are what its balance has and its available amount has not", () => {
    expect(heldOf({ balance: usd("100.00"), available: usd("59.99") })).toEqual(usd("40.01"));
  });
});

describe("what ended a hold", () => {
  const done: Attempt<HoldActionPayload> = { kind: "done", transaction: { id: "txn_1", status: "COMPLETED", hold: null }, replayed: false };
  const refused: Attempt<HoldActionPayload> = { kind: "refused", refusals: [], transaction: null, replayed: false };
  const captured = hold({ status: "CAPTURED", captured: usd("40.00"), remaining: usd("0.00") });
  const freed = { released: usd("40.00"), remaining: usd("0.00") };

  test.each([
    ["captured", captured, done, refused],
    ["released", hold({ status: "RELEASED", ...freed }), refused, done],
    ["expired", hold({ status: "EXPIRED", ...freed }), refused, refused],
    ["wrong", captured, done, done],
    ["wrong", captured, refused, refused],
    ["wrong", hold({ status: "EXPIRED", ...freed }), done, refused],
    ["wrong", hold(), done, refused],
    ["wrong", hold({ status: "CAPTURED", captured: usd("40.00"), released: usd("0.01"), remaining: usd("0.00") }), done, refused],
    ["wrong", undefined, done, refused],
  ] as const)("is %s", (end, one, capture, release) => {
    expect(endOf(one, capture, release)).toBe(end);
  });
});

test.each([[0, "0:00"], [65, "1:05"], [3_599, "59:59"], [3_600, "1:00:00"], [90_061, "1 d 01:01:01"]])("%d seconds are %s", (seconds, text) => {
  expect(timeText(seconds)).toBe(text);
});

test("a part of an amount is rounded down, but is never nothing", () => {
  expect([partOf(usd("24.81"), 50n), partOf(usd("0.01"), 50n), partOf({ amount: "3", currency: "JPY" }, 50n)]).toEqual([usd("12.40"), usd("0.01"), { amount: "1", currency: "JPY" }]);
});

test("countdowns follow the service's clock where the computer's is wrong, whatever an answer took", () => {
  const now = Date.parse("2026-11-28T10:00:00Z");
  expect(serverNow(now)).toBe(now);
  hearDate("Sat, 28 Nov 2026 09:59:59 GMT", now);
  expect(serverNow(now)).toBe(now);
  hearDate("Sat, 28 Nov 2026 10:05:00 GMT", now);
  hearDate("Sat, 28 Nov 2026 10:04:40 GMT", now);
  hearDate(null, now);
  expect(serverNow(now)).toBe(now + 300_500);
});
