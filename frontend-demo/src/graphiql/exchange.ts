import type { DemoUser } from "../session/demo.js";

/** The text with both users' wallets in each other's place, by currency. A wallet without a counterpart stays. */
export function exchangeWallets(text: string, one: Pick<DemoUser, "wallets">, other: Pick<DemoUser, "wallets">): string {
  const places = new Map<string, string>();
  for (const { id, currency } of one.wallets) {
    const counterpart = other.wallets.find((wallet) => wallet.currency === currency);
    if (counterpart !== undefined && !places.has(counterpart.id)) {
      places.set(id, counterpart.id);
      places.set(counterpart.id, id);
    }
  }
  return text.replaceAll(/\bwal_[0-9a-z]{26}\b/g, (id) => places.get(id) ?? id);
}
