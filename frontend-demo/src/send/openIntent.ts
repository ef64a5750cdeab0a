/**
 * Payments with an unknown outcome, stored in the tab so that they survive a reload. A payment is removed only after an
 * outcome for its key: a new key for the same payment could pay it twice.
 */

import type { Attempt } from "./attempt.js";
import type { TransferInput } from "./queries.js";

interface Kept {
  readonly input: TransferInput;
  /** How often it was sent. A page that is left and opened again may send it while the first request is still running. */
  readonly sends: number;
}

function slot(owner: string): string {
  return `paycore.open-payments.${owner}`;
}

export function openIntents(owner: string): readonly TransferInput[] {
  return keptOf(owner).map(({ input }) => input);
}

/** Store the payment. Call this before each request with its key. */
export function rememberIntent(owner: string, input: TransferInput): void {
  const earlier = keptOf(owner).find((kept) => isSame(kept, input))?.sends ?? 0;
  keep(owner, [...others(owner, input), { input, sends: earlier + 1 }]);
}

/** Remove the payment if none of its requests can have an unknown outcome. Call this with the answers to its requests. */
export function concludeIntent(owner: string, input: TransferInput, answers: readonly Attempt[]): void {
  const isKnown = answers.some(({ kind }) => kind === "done" || kind === "refused");
  const isUnknown = answers.some(({ kind }) => kind === "unknown");
  const isOnlySend = (keptOf(owner).find((kept) => isSame(kept, input))?.sends ?? 1) === 1;
  if (!isUnknown && (isKnown || isOnlySend)) {
    keep(owner, others(owner, input));
  }
}

function keptOf(owner: string): readonly Kept[] {
  return JSON.parse(sessionStorage.getItem(slot(owner)) ?? "[]") as Kept[];
}

function isSame(kept: Kept, { idempotencyKey }: TransferInput): boolean {
  return kept.input.idempotencyKey === idempotencyKey;
}

function others(owner: string, input: TransferInput): readonly Kept[] {
  return keptOf(owner).filter((kept) => !isSame(kept, input));
}

function keep(owner: string, intents: readonly Kept[]): void {
  if (intents.length === 0) {
    sessionStorage.removeItem(slot(owner));
  } else {
    sessionStorage.setItem(slot(owner), JSON.stringify(intents));
  }
}
