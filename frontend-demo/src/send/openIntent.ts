/** The payment whose outcome is not known yet, kept in the tab over a reload: only its own key can tell what became of it. */

import type { TransferInput } from "./queries.js";

function keyOf(subject: string): string {
  return `paycore.open-payment.${subject}`;
}

export function rememberIntent(subject: string, input: TransferInput): void {
  sessionStorage.setItem(keyOf(subject), JSON.stringify(input));
}

export function forgetIntent(subject: string): void {
  sessionStorage.removeItem(keyOf(subject));
}

export function openIntent(subject: string): TransferInput | null {
  const kept = sessionStorage.getItem(keyOf(subject));
  return kept === null ? null : (JSON.parse(kept) as TransferInput);
}
