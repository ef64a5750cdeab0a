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
  readonly note: string;
}

export const EMPTY: Draft = { walletId: null, party: null, amount: "", note: "" };

/** A form with the values of a completed payment. */
export function draftOf(input: TransferInput, { transaction: { receiver } }: Done): Draft {
  const { amount, currency } = input.amount;
  return {
    walletId: input.senderWalletId,
    party: receiver === null ? null : { walletId: receiver.walletId, displayName: receiver.displayName, currency },
    amount: typedAmount(amount),
    note: input.description ?? "",
  };
}

export type AmountProblem = Extract<AmountInput, { readonly ok: false }>["problem"] | "more-than-available" | "more-than-available-with-fee" | "fee-exceeds-amount";

export interface Problems {
  readonly amount: AmountProblem | null;
  readonly wallet: "FROZEN" | "CLOSED" | null;
  readonly party: "missing" | "other-currency" | null;
}

/** The problems that the page can find before anything is sent. */
export function problemsOf(parsed: AmountInput, wallet: WalletSummary, party: Party | null, exponent: number, fee: Fee | null = null): Problems {
  return {
    amount: parsed.ok ? unaffordable(parsed.amount, wallet.available.amount, exponent, fee) : parsed.problem,
    wallet: wallet.status === "ACTIVE" ? null : wallet.status,
    party: party === null ? "missing" : party.currency === wallet.currency ? null : "other-currency",
  };
}

function unaffordable(amount: string, available: string, exponent: number, fee: Fee | null): AmountProblem | null {
  const left = toMinor(available, exponent);
  if (toMinor(amount, exponent) > left) {
    return "more-than-available";
  }
  if (fee?.kind === "exceeds-amount") {
    return "fee-exceeds-amount";
  }
  return fee !== null && toMinor(fee.debited.amount, exponent) > left ? "more-than-available-with-fee" : null;
}
