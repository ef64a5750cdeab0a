import type { DemoSession, DemoUser } from "../session/demo.js";

type DemoWallet = DemoUser["wallets"][number];

/** The demo users and wallets of the experiments. */
export interface Cast {
  readonly payer: DemoUser;
  readonly payerWallet: DemoWallet;
  /** The owner of the wallet that is watched while the line is cut. */
  readonly receiver: DemoUser;
  readonly receiverWallet: DemoWallet;
  /** Whose wallet receives the money of the other experiments. */
  readonly till: DemoUser;
  readonly tillWallet: DemoWallet;
  /** The user who opens a wallet for each run on it. */
  readonly owner: DemoUser;
  /** The administrator who makes deposits. */
  readonly admin: DemoUser;
}

export function castOf({ users }: DemoSession): Cast | null {
  const people = users.filter(({ role }) => role === null);
  const admin = users.find(({ role }) => role === "admin");
  const [payer, receiver] = people;
  const owner = people[2] ?? payer;
  const payerWallet = payer?.wallets.find(({ currency }) => currency === "USD");
  const receiverWallet = receiver?.wallets.find(({ currency }) => currency === "USD");
  const till = people.at(-1);
  const tillWallet = till?.wallets.find(({ currency }) => currency === "USD");
  return payer && receiver && till && owner && admin && payerWallet && receiverWallet && tillWallet ? { payer, payerWallet, receiver, receiverWallet, till, tillWallet, owner, admin } : null;
}
