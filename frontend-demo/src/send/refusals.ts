import type { Refusal } from "./queries.js";

/** Why nothing moved, and what to do about it, in plain words. */
export const REFUSALS: Readonly<Record<Exclude<Refusal["code"], "INVALID_INPUT">, string>> = {
  INVALID_AMOUNT: "This amount cannot be sent. It has to be more than zero, with no more decimals than the currency has.",
  IDEMPOTENCY_KEY_INVALID: "The request's key is not valid. Please send it again from the form.",
  IDEMPOTENCY_KEY_REUSED: "This request's key already belongs to another payment, so nothing was sent.",
  SAME_WALLET: "Sender and recipient are the same wallet.",
  WALLET_NOT_FOUND: "There is no such wallet, or it is not yours to send from.",
  WALLET_NOT_ACTIVE: "One of the wallets is frozen or closed and cannot take part.",
  CURRENCY_MISMATCH: "The recipient's wallet has another currency.",
  INSUFFICIENT_FUNDS: "There is not enough money in the wallet.",
  QUOTA_EXCEEDED: "This is more than may be sent in this period.",
  BATCH_ABORTED: "Another payment of the same batch was refused, so none was made.",
};

/** The words for a code; those of the service where they say which text is wrong and why, and for a code that is newer than this page. */
export function refusalText({ code, message }: { readonly code: string; readonly message: string }): string {
  return code === "INVALID_INPUT" ? message : ((REFUSALS as Readonly<Record<string, string>>)[code] ?? message);
}
