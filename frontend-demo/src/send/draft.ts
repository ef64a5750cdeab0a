import { toMinor } from "../money/decimal.js";
import { typedAmount, type AmountInput } from "../money/input.js";
import type { WalletSummary } from "../wallets/queries.js";
import type { Done } from "./attempt.js";
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

export type AmountProblem = Extract<AmountInput, { readonly ok: false }>["problem"] | "more-than-available";

export interface Problems {
  readonly amount: AmountProblem | null;
  readonly wallet: "FROZEN" | "CLOSED" | null;
  readonly party: "missing" | "other-currency" | null;
}

/** The problems that the page can find without the service. */
export function problemsOf(parsed: AmountInput, wallet: WalletSummary, party: Party | null, exponent: number): Problems {
  const isTooMuch = parsed.ok && toMinor(parsed.amount, exponent) > toMinor(wallet.available.amount, exponent);
  return {
    amount: parsed.ok ? (isTooMuch ? "more-than-available" : null) : parsed.problem,
    wallet: wallet.status === "ACTIVE" ? null : wallet.status,
    party: party === null ? "missing" : party.currency === wallet.currency ? null : "other-currency",
  };
}
