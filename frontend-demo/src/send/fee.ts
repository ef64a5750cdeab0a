import { chargeText } from "../fees/charge.js";
import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import type { TransferPreview } from "./queries.js";

/** The fee of a payment that was not sent yet. */
export type Fee =
  | {
      readonly kind: "charged";
      /** Of both sides together: what `maxFee` has to allow. */
      readonly fee: Money;
      readonly debited: Money;
      readonly credited: Money;
      readonly explanations: readonly string[];
    }
  /** It would leave the receiver nothing. */
  | { readonly kind: "exceeds-amount"; readonly fee: Money };

export type ChargedFee = Extract<Fee, { readonly kind: "charged" }>;

/** The fee that a preview found for this amount. Null if there is none, and if the preview does not say. */
export function feeOf({ debited, credited, fees, userErrors }: TransferPreview, amount: Money): Fee | null {
  for (const error of userErrors) {
    if (error.__typename === "FeeExceedsAmount") {
      return { kind: "exceeds-amount", fee: error.fee };
    }
    // Only the sender's fee is a part of what is required.
    if (error.__typename === "InsufficientFunds") {
      return charged(error.required, amount, []);
    }
  }
  return debited === null || credited === null ? null : charged(debited, credited, fees.map(chargeText));
}

/** Computed from what leaves and what arrives: the schedule of another user's own fee is not shown. */
function charged(debited: Money, credited: Money, explanations: readonly string[]): Fee | null {
  const exponent = decimalsOf(debited.amount);
  const minor = toMinor(debited.amount, exponent) - toMinor(credited.amount, exponent);
  const fee = { amount: fromMinor(minor, exponent), currency: debited.currency };
  return minor === 0n ? null : { kind: "charged", fee, debited, credited, explanations };
}

/** The `maxFee` of a payment for which this fee was shown. Without a fee it names none. */
export function maxFeeOf(fee: Fee | null): { readonly maxFee?: Money } {
  return fee?.kind === "charged" ? { maxFee: fee.fee } : {};
}
