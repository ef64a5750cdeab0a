import type { DemoUser } from "./demo.js";

export type DemoWallet = DemoUser["wallets"][number];
export type Pair = readonly [DemoUser, DemoWallet, DemoUser, DemoWallet];

/** Two people who can pay each other: the first of the users with a wallet in a common currency. */
export function pair(users: readonly DemoUser[]): Pair | null {
  const [first, second] = users.filter(({ role }) => role === null);
  const mine = first?.wallets.find(({ currency }) => second?.wallets.some((wallet) => wallet.currency === currency));
  const theirs = second?.wallets.find(({ currency }) => currency === mine?.currency);
  return first && second && mine && theirs ? [first, mine, second, theirs] : null;
}
