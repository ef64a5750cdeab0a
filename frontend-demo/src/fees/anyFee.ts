import { decimalsOf, fromMinor } from "../money/decimal.js";
import { LARGEST_MINOR } from "../money/input.js";

/** A limit that no fee exceeds. */
export function anyFee({ amount, currency }: { readonly amount: string; readonly currency: string }) {
  return { amount: fromMinor(LARGEST_MINOR, decimalsOf(amount)), currency };
}
