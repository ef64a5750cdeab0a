import type { Quote } from "../fx/queries.js";
import type { PriceQuestion, Side } from "../fx/usePrice.js";
import { toMinor } from "../money/decimal.js";
import { typedAmount, type AmountInput } from "../money/input.js";
import type { WalletSummary } from "../wallets/queries.js";
import type { Done } from "./attempt.js";
import type { Fee } from "./fee.js";
import type { Party, TransferInput } from "./queries.js";

/** The values of the form. */
export interface Draft {
  /** The paying wallet. Null for the one that the page was opened with. */
  readonly walletId: string | null;
  readonly party: Party | null;
  /** As it was typed. */
  readonly amount: string;
  /** If the recipient's wallet has another currency: whether the amount is what is paid or what arrives. */
  readonly side: Side;
  readonly note: string;
}

export const EMPTY: Draft = { walletId: null, party: null, amount: "", side: "source", note: "" };

/** Whether the payment takes an exchange. */
export function isExchange({ party }: Pick<Draft, "party">, wallet: Pick<WalletSummary, "currency">): boolean {
  return party !== null && party.currency !== wallet.currency;
}

/** The currency of the amount that is typed. */
export function currencyOf({ party, side }: Pick<Draft, "party" | "side">, wallet: Pick<WalletSummary, "currency">): string {
  return side === "target" && party !== null ? party.currency : wallet.currency;
}

/** The price to ask for. Null without an exchange, and while the amount cannot be read. */
export function priceQuestionOf(draft: Draft, wallet: Pick<WalletSummary, "currency">, parsed: AmountInput): PriceQuestion | null {
  const { party, side } = draft;
  return parsed.ok && party !== null && isExchange(draft, wallet)
    ? { from: wallet.currency, to: party.currency, side, amount: { amount: parsed.amount, currency: currencyOf(draft, wallet) } }
    : null;
}

/** A form with the values of a completed payment. */
export function draftOf(input: TransferInput, { transaction: { receiver } }: Done): Draft {
  const { amount, currency } = input.amount;
  return {
    walletId: input.senderWalletId,
    party: receiver,
    amount: typedAmount(amount),
    side: receiver?.currency === currency ? "target" : "source",
    note: input.description ?? "",
  };
}

export type AmountProblem = Extract<AmountInput, { readonly ok: false }>["problem"] | "more-than-available" | "more-than-available-with-fee" | "fee-exceeds-amount";

export interface Problems {
  readonly amount: AmountProblem | null;
  readonly wallet: "FROZEN" | "CLOSED" | null;
  readonly party: "missing" | null;
}

export interface Costs {
  readonly fee: Fee | null;
  /** The price, where the payment takes an exchange. */
  readonly quote: Quote | null;
}

/** The problems that the page can find before anything is sent. `exponent` is that of the wallet's currency. */
export function problemsOf(draft: Draft, parsed: AmountInput, wallet: WalletSummary, exponent: number, costs: Costs): Problems {
  const { party } = draft;
  const isPaid = currencyOf(draft, wallet) === wallet.currency;
  return {
    amount: parsed.ok ? unaffordable(isPaid ? parsed.amount : null, wallet.available.amount, exponent, costs) : parsed.problem,
    wallet: wallet.status === "ACTIVE" ? null : wallet.status,
    party: party === null ? "missing" : null,
  };
}

/** `amount` is what is paid; null while only the price says that. */
export function unaffordable(amount: string | null, available: string, exponent: number, { fee, quote }: Costs): AmountProblem | null {
  const left = toMinor(available, exponent);
  const isTooMuch = (paid: string): boolean => toMinor(paid, exponent) > left;
  if ((amount !== null && isTooMuch(amount)) || (quote !== null && isTooMuch(quote.source.amount))) {
    return "more-than-available";
  }
  if (fee?.kind === "exceeds-amount") {
    return "fee-exceeds-amount";
  }
  const debited = quote?.total ?? fee?.debited ?? null;
  return debited !== null && isTooMuch(debited.amount) ? "more-than-available-with-fee" : null;
}
