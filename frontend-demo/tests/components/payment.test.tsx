// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, describe, expect, test, vi } from "vitest";
import { answerOf } from "../../src/paycore-pay/index.js";
import { Outcome } from "../../src/send/Outcome.js";
import { AccountProvider } from "../../src/session/AccountContext.js";
import type { Refusal, SentTransaction, TransferPayload } from "../../src/send/queries.js";
import { REFUSALS } from "../../src/send/refusals.js";
import type { IntentState } from "../../src/send/useIntent.js";
import { accountWith, NO_PREVIEW } from "./previews.js";

const MONEY = { amount: "1.00", currency: "USD" };
const INPUT = { idempotencyKey: "key-1", senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: MONEY };
const TROUBLE = { code: "NETWORK", message: "The service did not answer.", retryAfterSeconds: null };
const TRANSACTION: SentTransaction = {
  id: "txn_1",
  status: "COMPLETED",
  failureCode: null,
  createdAt: "2026-11-23T12:00:00Z",
  completedAt: "2026-11-23T12:00:00Z",
  amount: MONEY,
  receiver: null,
  conversion: null,
  fees: [],
};

afterEach(cleanup);

function show(state: Exclude<IntentState, { readonly phase: "editing" }>) {
  const calls = { onRepeat: vi.fn(), onAccept: vi.fn(), onEdit: vi.fn(), onNext: vi.fn(), onPayAgain: vi.fn() };
  render(
    <AccountProvider account={accountWith(NO_PREVIEW)}>
      <Outcome state={state} wallets={[]} {...calls} />
    </AccountProvider>,
  );
  return calls;
}

function settled(payload: TransferPayload): Exclude<IntentState, { readonly phase: "editing" }> {
  return { phase: "settled", input: INPUT, answers: [answerOf(payload)] };
}

function refusal(code: Refusal["code"], message = "No."): Refusal {
  return { __typename: "InvalidInput", code, message, path: [] };
}

describe("a payment with an unknown outcome", () => {
  test("says so, when it is sent again, and that this is safe", async () => {
    const { onRepeat } = show({ phase: "unknown", input: INPUT, tries: 2, trouble: TROUBLE, retryAt: Date.now() + 5_000 });
    const outcome = screen.getByRole("region", { name: "This payment" }).textContent;
    expect(outcome).toContain("not known yet");
    expect(outcome).toContain("it can only be paid once");
    expect(outcome).toMatch(/Next try in [45] s/);
    expect(outcome).not.toContain("Not sent");
    expect(screen.queryByRole("button", { name: /Change it/ })).toBeNull();
    await userEvent.click(screen.getByRole("button", { name: "Try again now" }));
    expect(onRepeat).toHaveBeenCalledOnce();
  });

  test("after its last try names no next one", () => {
    show({ phase: "unknown", input: INPUT, tries: 8, trouble: TROUBLE, retryAt: null });
    expect(screen.getByRole("region").textContent).not.toContain("Next try");
    expect(screen.getByRole("button", { name: "Try again now" })).toBeTruthy();
  });

  test("that is sent again names the try", () => {
    show({ phase: "sending", input: INPUT, tries: 3 });
    expect(screen.getByRole("region").textContent).toContain("try 3, with the same key");
  });
});

describe("a refused payment", () => {
  const CODES = [...Object.keys(REFUSALS), "INVALID_INPUT", "A_CODE_OF_A_LATER_RELEASE"] as Refusal["code"][];

  test.each(CODES)("with the code %s says that nothing moved, and why", (code) => {
    show(settled({ transaction: null, replayed: false, userErrors: [refusal(code, "In the service's words.")] }));
    const outcome = screen.getByRole("region").textContent;
    expect(outcome).toContain("nothing moved");
    expect(outcome).toContain((REFUSALS as Readonly<Record<string, string>>)[code] ?? "In the service's words.");
    expect(outcome).toContain(code);
    expect(screen.getByRole("button", { name: "Change it and try again" })).toBeTruthy();
  });

  test("for want of money shows both amounts", () => {
    const available = { amount: "0.50", currency: "USD" };
    const error: Refusal = { __typename: "InsufficientFunds", code: "INSUFFICIENT_FUNDS", message: "No.", path: [], available, required: MONEY };
    show(settled({ transaction: { ...TRANSACTION, status: "FAILED" }, replayed: false, userErrors: [error] }));
    expect(screen.getByText("$0.50")).toBeTruthy();
    expect(screen.getByText("$1.00")).toBeTruthy();
    expect(screen.getByRole("link", { name: "See the record" }).getAttribute("href")).toBe("/transactions/txn_1");
  });

  test.each(["senderWalletId", "receiverWalletId"])("with a frozen wallet says which: %s", (field) => {
    show(settled({ transaction: null, replayed: false, userErrors: [{ ...refusal("WALLET_NOT_ACTIVE"), path: ["input", field] }] }));
    expect(screen.getByRole("region").textContent).toContain(field === "senderWalletId" ? "The wallet that pays is frozen" : "The recipient’s wallet is frozen");
  });
});

test("a payment that was stopped before anything ran is not sent, and can be changed", async () => {
  const { onEdit } = show({ phase: "settled", input: INPUT, answers: [{ kind: "stopped", trouble: { ...TROUBLE, code: "UNAUTHENTICATED", message: "Sign in." } }] });
  expect(screen.getByRole("region").textContent).toContain("Not sent");
  await userEvent.click(screen.getByRole("button", { name: "Change it and try again" }));
  expect(onEdit).toHaveBeenCalledOnce();
});

test("a replayed payment says that nothing moved twice", () => {
  show(settled({ transaction: TRANSACTION, replayed: true, userErrors: [] }));
  expect(screen.getByRole("region").textContent).toContain("nothing moved twice");
});

test("a payment that was refused for its fee asks to confirm the new one", async () => {
  const error: Refusal = { __typename: "FeeExceedsLimit", code: "FEE_EXCEEDS_LIMIT", message: "No.", path: [], fee: { amount: "0.59", currency: "USD" }, limit: { amount: "0.40", currency: "USD" } };
  const { onAccept, onEdit } = show(settled({ transaction: null, replayed: false, userErrors: [error] }));
  const outcome = screen.getByRole("region").textContent;
  expect(outcome).toContain("The fee is $0.59 now, and this payment accepted $0.40");
  expect(outcome).toContain("its key is still unused");
  await userEvent.click(screen.getByRole("button", { name: "Send it with a fee of $0.59" }));
  expect(onAccept).toHaveBeenCalledExactlyOnceWith({ maxFee: { amount: "0.59", currency: "USD" } });
  expect(onEdit).not.toHaveBeenCalled();
});

test("a receipt explains the fee", () => {
  const fees = [{ label: "Card fee", payer: "SENDER" as const, amount: { amount: "0.33", currency: "USD" }, explanation: "2.9 % of 1.00 + 0.30 = 0.33" }];
  show(settled({ transaction: { ...TRANSACTION, fees }, replayed: false, userErrors: [] }));
  expect(screen.getByText("$0.33")).toBeTruthy();
  expect(screen.getByText("Card fee: 2.9 % of 1.00 + 0.30 = 0.33, paid by the sender")).toBeTruthy();
});
