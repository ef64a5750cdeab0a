import { fromMinor } from "../money/decimal.js";
import { publicId } from "./ids.js";
import type { Proved } from "./verify.js";

/** What a page says of a transaction, as far as a receipt says it too. */
export interface Shown {
  readonly id: string;
  readonly type: string;
  readonly amount: { readonly amount: string; readonly currency: string };
  readonly createdAt: string;
  readonly completedAt: string | null;
  readonly description: string | null;
  readonly reference: string | null;
  readonly sender: { readonly walletId: string } | null;
  readonly receiver: { readonly walletId: string } | null;
}

export interface Difference {
  readonly field: string;
  readonly proved: string;
  readonly shown: string;
}

/** Where a page says something else than the receipt proves. Words that the receipt does not open are not compared. */
export function differences({ transaction, words }: Pick<Proved, "transaction" | "words">, shown: Shown, exponent: number): Difference[] {
  const { id, type, amount, currency, sender, receiver, created_at, completed_at } = transaction;
  const wallet = (uuid: string | null | undefined): string => (uuid == null ? "" : publicId("wal", uuid));
  const pairs: (readonly [string, string | null | undefined, string | null | undefined])[] = [
    ["transaction", publicId("txn", id ?? "0"), shown.id],
    ["type", type, shown.type],
    ["amount", `${fromMinor(BigInt(amount ?? 0), exponent)} ${currency ?? ""}`, `${shown.amount.amount} ${shown.amount.currency}`],
    ["created", microseconds(created_at), microseconds(shown.createdAt)],
    ["completed", microseconds(completed_at), microseconds(shown.completedAt)],
    // A posting between several wallets has no one sender or receiver on the page.
    ...(shown.sender === null ? [] : [["sender", wallet(sender), shown.sender.walletId] as const]),
    ...(shown.receiver === null ? [] : [["receiver", wallet(receiver), shown.receiver.walletId] as const]),
    ...(words === undefined
      ? []
      : ([["description", words["description"], shown.description], ["reference", words["reference"], shown.reference]] as const)),
  ];
  return pairs
    .map(([field, proved, said]) => ({ field, proved: proved ?? "", shown: said ?? "" }))
    .filter(({ proved, shown: said }) => proved !== said);
}

/** A time with all six decimals and in UTC, as receipts have it. */
function microseconds(time: string | null | undefined): string {
  if (time == null) {
    return "";
  }
  const fraction = (/\.(\d+)/.exec(time)?.[1] ?? "").padEnd(6, "0");
  return `${new Date(time).toISOString().slice(0, 19)}.${fraction}Z`;
}
