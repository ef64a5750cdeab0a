/**
 * Payments whose outcome is not known yet, kept in the tab over a reload. Only an outcome of its own key may remove one: a new key
 * for the same payment could pay it twice.
 */

import type { TransferInput } from "./queries.js";

function slot(owner: string): string {
  return `paycore.open-payments.${owner}`;
}

export function openIntents(owner: string): readonly TransferInput[] {
  return JSON.parse(sessionStorage.getItem(slot(owner)) ?? "[]") as TransferInput[];
}

export function rememberIntent(owner: string, input: TransferInput): void {
  keep(owner, [...others(owner, input), input]);
}

export function forgetIntent(owner: string, input: TransferInput): void {
  keep(owner, others(owner, input));
}

function others(owner: string, input: TransferInput): TransferInput[] {
  return openIntents(owner).filter(({ idempotencyKey }) => idempotencyKey !== input.idempotencyKey);
}

function keep(owner: string, inputs: readonly TransferInput[]): void {
  if (inputs.length === 0) {
    sessionStorage.removeItem(slot(owner));
  } else {
    sessionStorage.setItem(slot(owner), JSON.stringify(inputs));
  }
}
