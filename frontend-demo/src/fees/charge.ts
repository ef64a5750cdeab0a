import type { Money } from "../money/format.js";

/** A fee of a transaction, as the service explains it. */
export interface Charge {
  readonly label: string;
  readonly payer: "SENDER" | "RECEIVER";
  readonly amount: Money;
  readonly explanation: string;
}

/** Such as "Card fee: 2.9 % of 10.00 + 0.30 = 0.59, paid by the sender". */
export function chargeText({ label, explanation, payer }: Charge): string {
  return `${label}: ${explanation}, paid by the ${payer === "SENDER" ? "sender" : "receiver"}`;
}
