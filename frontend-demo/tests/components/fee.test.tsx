// @vitest-environment jsdom
import { act, cleanup, renderHook, type RenderHookResult } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EMPTY, problemsOf } from "../../src/send/draft.js";
import { feeOf, maxFeeOf, type Fee } from "../../src/send/fee.js";
import type { TransferPreview } from "../../src/send/queries.js";
import { useFee } from "../../src/send/useFee.js";
import { AccountProvider } from "../../src/session/AccountContext.js";
import type { WalletSummary } from "../../src/wallets/queries.js";
import { accountWith, Previews } from "./previews.js";

const money = (amount: string) => ({ amount, currency: "USD" });
const CHARGE = { label: "Card fee", payer: "SENDER" as const, amount: money("0.59"), explanation: "2.9 % of 10.00 + 0.30 = 0.59" };
const BY_SENDER: TransferPreview = { debited: money("10.59"), credited: money("10.00"), fees: [CHARGE], userErrors: [] };
const FREE: TransferPreview = { debited: money("10.00"), credited: money("10.00"), fees: [], userErrors: [] };
const WANTED = { senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: money("10.00") };

interface Props {
  readonly wanted: typeof WANTED | null;
}

describe("the fee that a preview finds", () => {
  test("is what is paid less what arrives, whoever pays it, and is the limit of the payment", () => {
    const bySender = feeOf(BY_SENDER, WANTED.amount);
    expect(bySender).toMatchObject({ kind: "charged", fee: money("0.59"), debited: money("10.59"), credited: money("10.00") });
    expect(bySender).toMatchObject({ explanations: ["Card fee: 2.9 % of 10.00 + 0.30 = 0.59, paid by the sender"] });
    const byReceiver = feeOf({ ...FREE, credited: money("9.41") }, WANTED.amount);
    expect(byReceiver).toMatchObject({ fee: money("0.59"), debited: money("10.00"), credited: money("9.41"), explanations: [] });
    expect(maxFeeOf(byReceiver)).toEqual({ maxFee: money("0.59") });
  });

  test("is none without a difference, and then the payment has no limit", () => {
    expect(feeOf(FREE, WANTED.amount)).toBeNull();
    expect(maxFeeOf(null)).toEqual({});
  });

  test("is known if there is too little money for both", () => {
    const error = { __typename: "InsufficientFunds" as const, code: "INSUFFICIENT_FUNDS" as const, required: money("10.59") };
    expect(feeOf({ debited: null, credited: null, fees: [], userErrors: [error] }, WANTED.amount)).toMatchObject({ fee: money("0.59"), credited: money("10.00") });
  });

  test("that exceeds the amount sets no limit", () => {
    const error = { __typename: "FeeExceedsAmount" as const, code: "FEE_EXCEEDS_AMOUNT" as const, fee: money("10.00") };
    const fee = feeOf({ debited: null, credited: null, fees: [], userErrors: [error] }, WANTED.amount);
    expect(fee).toEqual({ kind: "exceeds-amount", fee: money("10.00") });
    expect(maxFeeOf(fee)).toEqual({});
  });
});

test("a form says that the wallet has too little for the fee, or that the fee exceeds the amount", () => {
  const wallet = { status: "ACTIVE", currency: "USD", available: money("10.50") } as WalletSummary;
  const problem = (fee: Fee | null) => problemsOf({ ...EMPTY, amount: "10" }, { ok: true, amount: "10.00" }, wallet, 2, { fee, quote: null }).amount;
  expect(problem(null)).toBeNull();
  expect(problem(feeOf(BY_SENDER, WANTED.amount))).toBe("more-than-available-with-fee");
  expect(problem({ kind: "exceeds-amount", fee: money("10.00") })).toBe("fee-exceeds-amount");
});

describe("the page", () => {
  let previews: Previews;
  let page: RenderHookResult<Fee | null, Props>;
  const pass = (milliseconds: number) => act(() => vi.advanceTimersByTimeAsync(milliseconds));

  beforeEach(() => {
    vi.useFakeTimers();
    previews = new Previews();
    const account = accountWith(previews);
    const wrapper = ({ children }: { readonly children: ReactNode }) => createElement(AccountProvider, { account, children });
    page = renderHook<Fee | null, Props>(({ wanted }) => useFee(wanted), { wrapper, initialProps: { wanted: WANTED } });
    return () => vi.useRealTimers();
  });

  afterEach(cleanup);

  test("asks for the fee once after a pause in typing", async () => {
    await pass(300);
    page.rerender({ wanted: { ...WANTED, amount: money("20.00") } });
    await pass(300);
    expect(previews.inputs).toEqual([]);
    await pass(300);
    expect(previews.inputs.map(({ amount }) => amount.amount)).toEqual(["20.00"]);
  });

  test("cancels a question that is outdated, and shows no fee of another amount", async () => {
    await pass(500);
    act(() => previews.answer(BY_SENDER));
    expect(page.result.current).toMatchObject({ fee: money("0.59") });
    page.rerender({ wanted: { ...WANTED, amount: money("20.00") } });
    expect(page.result.current).toBeNull();
    expect(previews.unsubscribe).toHaveBeenCalledOnce();
    page.rerender({ wanted: null });
    await pass(5_000);
    expect(previews.inputs).toHaveLength(1);
  });

  test("knows no fee after a preview that failed, so the payment is not held up", async () => {
    await pass(500);
    act(() => previews.answer());
    expect(page.result.current).toBeNull();
  });
});
