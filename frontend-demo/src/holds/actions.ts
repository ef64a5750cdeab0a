import type { Client } from "@urql/core";
import type { Money } from "../money/format.js";
import type { Transfer, TransferInput } from "../paycore-pay/index.js";
import { payloadOr } from "../send/attempt.js";
import { CAPTURE_HOLD, PLACE_HOLD, RELEASE_HOLD, type Hold, type HoldActionPayload } from "./queries.js";

/** `capture-and-keep` leaves what remains held; `capture` releases it. */
export type HoldAction = "capture" | "capture-and-keep" | "release";

export interface WantedAction {
  readonly hold: Pick<Hold, "id" | "wallet">;
  readonly action: HoldAction;
  readonly amount: Money;
}

/** As paycore-pay keeps it: the hold is in the receiver's place, and the description says what is done. */
export function inputOf({ hold, action, amount }: WantedAction): Omit<TransferInput, "idempotencyKey"> {
  return { senderWalletId: hold.wallet.walletId, receiverWalletId: hold.id, amount, description: action };
}

/** Places a hold that lasts so many seconds. */
export function placeHoldBy(client: Client, expiresIn: number): Transfer<HoldActionPayload> {
  return async ({ idempotencyKey, senderWalletId: walletId, receiverWalletId, amount, description }) => {
    const input = { idempotencyKey, walletId, receiverWalletId, amount, expiresIn, description: description ?? null };
    const { data, error } = await client.mutation(PLACE_HOLD, { input }).toPromise();
    const { hold, userErrors, replayed } = payloadOr(error, data?.placeHold);
    return { transaction: hold === null || userErrors.length > 0 ? null : { id: hold.id, status: "COMPLETED", hold }, replayed, userErrors };
  };
}

/** Captures or releases. Its input is that of `inputOf`. */
export function holdActionBy(client: Client): Transfer<HoldActionPayload> {
  return async ({ idempotencyKey, receiverWalletId: holdId, amount, description: action }) => {
    if (action === "release") {
      const { data, error } = await client.mutation(RELEASE_HOLD, { input: { idempotencyKey, holdId, amount } }).toPromise();
      const { hold, userErrors, replayed } = payloadOr(error, data?.releaseHold);
      return { transaction: userErrors.length > 0 ? null : { id: holdId, status: "COMPLETED", hold }, replayed, userErrors };
    }
    const input = { idempotencyKey, holdId, amount, keepRemaining: action === "capture-and-keep" };
    const { data, error } = await client.mutation(CAPTURE_HOLD, { input }).toPromise();
    const { transaction, hold, userErrors, replayed } = payloadOr(error, data?.captureHold);
    return { transaction: transaction && { ...transaction, hold }, replayed, userErrors };
  };
}
