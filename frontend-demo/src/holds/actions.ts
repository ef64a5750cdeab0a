import type { Client } from "@urql/core";
import type { ResultOf } from "../graphql/tada.js";
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
export function inputOf({ hold, action, amount: { amount, currency } }: WantedAction): Omit<TransferInput, "idempotencyKey"> {
  // An amount of the page's cache has a __typename, which no input takes.
  return { senderWalletId: hold.wallet.walletId, receiverWalletId: hold.id, amount: { amount, currency }, description: action };
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

/** The mutation that captures or releases. Its input is that of `inputOf`. */
export function requestOf({ idempotencyKey, receiverWalletId: holdId, amount, description: action }: TransferInput) {
  return action === "release"
    ? { document: RELEASE_HOLD, variables: { input: { idempotencyKey, holdId, amount } } }
    : { document: CAPTURE_HOLD, variables: { input: { idempotencyKey, holdId, amount, keepRemaining: action === "capture-and-keep" } } };
}

/** The payload in the data of that mutation's answer; null without one. */
export function payloadOf(data: ResultOf<typeof CAPTURE_HOLD> | ResultOf<typeof RELEASE_HOLD> | undefined, holdId: string): HoldActionPayload | null {
  if (data !== undefined && "captureHold" in data && data.captureHold !== null) {
    const { transaction, hold, userErrors, replayed } = data.captureHold;
    return { transaction: transaction && { ...transaction, hold }, replayed, userErrors };
  }
  if (data !== undefined && "releaseHold" in data && data.releaseHold !== null) {
    const { hold, userErrors, replayed } = data.releaseHold;
    return { transaction: userErrors.length > 0 ? null : { id: holdId, status: "COMPLETED", hold }, replayed, userErrors };
  }
  return null;
}

/** Captures or releases. Its input is that of `inputOf`. */
export function holdActionBy(client: Client): Transfer<HoldActionPayload> {
  return async (input) => {
    const { document, variables } = requestOf(input);
    const { data, error } = await client.mutation<ResultOf<typeof CAPTURE_HOLD> | ResultOf<typeof RELEASE_HOLD>>(document, variables).toPromise();
    return payloadOr(error, payloadOf(data, input.receiverWalletId));
  };
}
