import type { Refusal } from "./queries.js";

/** Why the payment was refused and what to do about it, by code. */
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
  CONDITION_FAILED: "Something changed since you looked, so nothing was sent. Look again, then send.",
  FEE_EXCEEDS_LIMIT: "The fee is higher than you agreed to, so nothing was sent.",
  FEE_EXCEEDS_AMOUNT: "The fee would take the whole amount, so nothing was sent.",
  NOT_REVERSIBLE: "There is no payment with this id that you may give back.",
  ARCHIVED: "This payment is in the archive. It can be given back once it has been restored.",
  REVERSAL_EXCEEDS_REMAINING: "Less than that has not gone back yet, so nothing was sent.",
  HOLD_NOT_OPEN: "There is no open hold with this id, so nothing moved.",
  HOLD_EXPIRED: "The time of this hold is over. Its money is free again, so nothing moved.",
  HOLD_EXCEEDED: "Less than that remains of the hold, so nothing moved.",
  RATE_UNAVAILABLE: "There is no current rate between these two currencies. Please try again later.",
  AMOUNT_TOO_SMALL: "This amount is too small: nothing would arrive. Enter a larger one.",
  QUOTE_MISMATCH: "This price was for other wallets or another amount, so nothing moved.",
  QUOTE_USED: "This price was used before, and each price can be used once. Nothing moved.",
  QUOTE_EXPIRED: "The time of this price was over, so nothing moved.",
  LIQUIDITY_EXHAUSTED: "So much cannot be exchanged between these currencies now. Try a smaller amount, or try again later.",
  PERIOD_NOT_NEXT: "A statement begins where the one before it ended.",
  PERIOD_OPEN: "This period is not over yet.",
  UNBALANCED: "What is taken and what is given are not the same amount.",
  TOO_MANY_ENTRIES: "This has more parts than one payment may have.",
  BATCH_ABORTED: "Another payment of the same batch was refused, so none was made.",
};

/** Which wallet is not active, by the input field that the service names. */
const INACTIVE: Readonly<Record<string, string>> = {
  senderWalletId: "The wallet that pays is frozen or closed, so nothing can be sent from it.",
  receiverWalletId: "The recipient’s wallet is frozen or closed, so nothing can be sent to it.",
  sourceWalletId: "The wallet that pays is frozen or closed, so nothing can leave it.",
  targetWalletId: "The wallet that is paid is frozen or closed, so nothing can enter it.",
};

/** The text for a code. For INVALID_INPUT and for unknown codes it is the service's message. */
export function refusalText({ code, message, path }: { readonly code: string; readonly message: string; readonly path?: readonly string[] | null }): string {
  const field = path?.at(-1) ?? "";
  if (code === "WALLET_NOT_ACTIVE" && field in INACTIVE) {
    return INACTIVE[field] ?? message;
  }
  return code === "INVALID_INPUT" ? message : ((REFUSALS as Readonly<Record<string, string>>)[code] ?? message);
}
