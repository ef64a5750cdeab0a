import { anyFee } from "../fees/anyFee.js";
import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import { newKey } from "../paycore-pay/index.js";
import { feeOf, type ChargedFee } from "../send/fee.js";
import { PREVIEW_TRANSFER } from "../send/queries.js";
import type { Wanted } from "../send/useIntent.js";
import type { Account } from "../session/account.js";
import { OPEN_WALLET } from "../wallets/queries.js";
import { DEPOSIT, FOLLOWED_WALLET } from "./queries.js";

/** The amount of each payment of the run. */
export const EACH = { amount: "1.00", currency: "USD" } as const;
const AFFORDABLE = 70;

/** Opens a wallet that can pay exactly AFFORDABLE times, if nothing is charged. Returns its id. Throws if that fails. */
export async function fundedWallet(owner: Account, admin: Account): Promise<string> {
  const opened = await owner.plain.mutation(OPEN_WALLET, { input: { idempotencyKey: newKey(), currency: EACH.currency, name: "Run on the wallet" } }).toPromise();
  const wallet = opened.data?.openWallet?.wallet;
  if (!wallet) {
    throw new Error(opened.error?.message ?? opened.data?.openWallet?.userErrors[0]?.message ?? "No wallet was opened.");
  }
  const decimals = decimalsOf(EACH.amount);
  const amount = fromMinor(toMinor(EACH.amount, decimals) * BigInt(AFFORDABLE), decimals);
  const money = { amount, currency: EACH.currency };
  const input = { idempotencyKey: newKey(), walletId: wallet.id, amount: money, description: "For a run on the wallet", maxFee: anyFee(money) };
  const funded = await admin.plain.mutation(DEPOSIT, { input }).toPromise();
  if (funded.data?.deposit?.transaction?.status !== "COMPLETED") {
    throw new Error(funded.error?.message ?? funded.data?.deposit?.userErrors[0]?.message ?? "The wallet was not filled.");
  }
  return wallet.id;
}

export async function balanceOf(owner: Account, id: string): Promise<Money> {
  const { data, error } = await owner.plain.query(FOLLOWED_WALLET, { id }).toPromise();
  if (!data?.wallet) {
    throw new Error(error?.message ?? "The wallet is gone.");
  }
  return data.wallet.balance;
}

/** The fee of one payment, by a preview; null without one. Throws if it would leave the receiver nothing. */
export async function feeOfEach(owner: Account, payment: Wanted): Promise<ChargedFee | null> {
  const input = { idempotencyKey: newKey(), ...payment, maxFee: anyFee(payment.amount) };
  const { data } = await owner.plain.query(PREVIEW_TRANSFER, { input }).toPromise();
  const fee = data?.previewTransfer ? feeOf(data.previewTransfer, payment.amount) : null;
  if (fee?.kind === "exceeds-amount") {
    throw new Error("The fee of such a small payment is more than its amount.");
  }
  return fee;
}

/** How often a balance covers an amount in the same currency. */
export function timesPaid(balance: Money, each: Money): number {
  return Number(minorOf(balance) / minorOf(each));
}

/** Whether the balance after the payments is the one before, less each of them. */
export function isLeft(after: Money, before: Money, each: Money, times: number): boolean {
  return minorOf(after) === minorOf(before) - minorOf(each) * BigInt(times);
}

function minorOf({ amount }: Money): bigint {
  return toMinor(amount, decimalsOf(amount));
}
