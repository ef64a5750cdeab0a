import type { Client } from "@urql/core";
import { expect, test } from "vitest";
import { EACH, feeOfEach, isLeft, timesPaid } from "../../src/break/funding.js";
import { maxFeeOf } from "../../src/send/fee.js";
import type { TransferPreview } from "../../src/send/queries.js";
import type { Account } from "../../src/session/account.js";

const usd = (amount: string) => ({ amount, currency: "USD" });
const PAYMENT = { senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: EACH };

/** An account whose preview is this one. */
function accountWith(previewTransfer: TransferPreview | undefined): Account {
  const data = previewTransfer === undefined ? undefined : { previewTransfer };
  return { plain: { query: () => ({ toPromise: () => Promise.resolve({ data }) }) } as unknown as Client } as Account;
}

test("the payments of a run accept the fee that a preview found, and the wallet can pay fewer of them", async () => {
  const fee = await feeOfEach(accountWith({ debited: usd("1.33"), credited: usd("1.00"), fees: [], userErrors: [] }), PAYMENT);
  expect(maxFeeOf(fee)).toEqual({ maxFee: usd("0.33") });
  expect(timesPaid(usd("70.00"), fee?.debited ?? EACH)).toBe(52);
  expect(isLeft(usd("0.84"), usd("70.00"), usd("1.33"), 52)).toBe(true);
  expect(isLeft(usd("0.83"), usd("70.00"), usd("1.33"), 52)).toBe(false);
});

test("without a fee, or without a preview, the wallet pays seventy times and names no limit", async () => {
  for (const preview of [{ debited: EACH, credited: EACH, fees: [], userErrors: [] }, undefined]) {
    const fee = await feeOfEach(accountWith(preview), PAYMENT);
    expect(maxFeeOf(fee)).toEqual({});
    expect(timesPaid(usd("70.00"), EACH)).toBe(70);
  }
});

test("a run whose fee is more than its amount says so", async () => {
  const error = { __typename: "FeeExceedsAmount" as const, code: "FEE_EXCEEDS_AMOUNT" as const, fee: usd("2.00") };
  await expect(feeOfEach(accountWith({ debited: null, credited: null, fees: [], userErrors: [error] }), PAYMENT)).rejects.toThrow("more than its amount");
});
