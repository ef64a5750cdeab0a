import { holdActionBy, inputOf, payloadOf, placeHoldBy, requestOf, type HoldAction } from "../holds/actions.js";
import type { Hold, HoldActionPayload } from "../holds/queries.js";
import { decimalsOf, toMinor } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import { newKey, settle, type Attempt, type TransferInput } from "../paycore-pay/index.js";
import { refusalText } from "../send/refusals.js";
import type { Account } from "../session/account.js";
import type { Sending } from "./atOnce.js";
import { RACED_HOLDS } from "./queries.js";

/** Places a hold that lasts so many seconds. Throws if it is not placed. */
export async function placedHold(payer: Account, walletId: string, receiverWalletId: string, amount: Money, seconds: number): Promise<Hold> {
  const input = { idempotencyKey: newKey(), senderWalletId: walletId, receiverWalletId, amount };
  const answer = await settle(placeHoldBy(payer.plain, seconds), input);
  if (answer.kind === "done" && answer.transaction.hold !== null) {
    return answer.transaction.hold;
  }
  throw new Error(answer.kind === "refused" ? answer.refusals.map(refusalText).join(" ") : "The hold was not placed.");
}

/** A capture or a release with a key of its own. */
export function wantedInput(hold: Hold, action: HoldAction, amount: Money): TransferInput {
  return { ...inputOf({ hold, action, amount }), idempotencyKey: newKey() };
}

export function sendingOf(shop: Account, input: TransferInput): Sending<HoldActionPayload> {
  const { document, variables } = requestOf(input);
  const payload = (data: unknown) => payloadOf(data as Parameters<typeof payloadOf>[0], input.receiverWalletId);
  return { document, variables, payloadOf: payload, again: holdActionBy(shop.plain), input };
}

/** The holds as they are now, by id. Throws if they cannot be read. */
export async function holdsById(viewer: Account, ids: readonly string[]): Promise<ReadonlyMap<string, Hold>> {
  const { data, error } = await viewer.plain.query(RACED_HOLDS, { ids: [...ids] }).toPromise();
  if (data === undefined) {
    throw new Error(error?.message ?? "The holds cannot be read.");
  }
  return new Map(data.nodes.flatMap((node) => (node?.__typename === "Hold" ? [[node.id, node] as const] : [])));
}

/** Whether all of it was captured or released, to the last cent. */
export function isSettled({ amount, captured, released, remaining }: Hold): boolean {
  const [whole, paid, freed, left] = [amount, captured, released, remaining].map((money) => toMinor(money.amount, decimalsOf(money.amount)));
  return left === 0n && whole === (paid ?? 0n) + (freed ?? 0n);
}

export type End = "captured" | "released" | "expired" | "wrong";

/** What ended a hold for which a capture, a release and its expiry competed. Wrong if it was not exactly one of them. */
export function endOf(hold: Hold | undefined, capture: Attempt<HoldActionPayload>, release: Attempt<HoldActionPayload>): End {
  if (hold === undefined || !isSettled(hold)) {
    return "wrong";
  }
  const ends: End[] = [];
  if (capture.kind === "done") {
    ends.push("captured");
  }
  if (release.kind === "done") {
    ends.push("released");
  }
  if (hold.status === "EXPIRED") {
    ends.push("expired");
  }
  const [end] = ends;
  return end !== undefined && ends.length === 1 && end.toUpperCase() === hold.status ? end : "wrong";
}
