import type { DemoSession, DemoUser } from "../session/demo.js";

type DemoWallet = DemoUser["wallets"][number];

/** Who plays which part in the experiments. */
export interface Cast {
  readonly payer: DemoUser;
  readonly payerWallet: DemoWallet;
  /** Whose wallet is watched while the line is cut. */
  readonly receiver: DemoUser;
  readonly receiverWallet: DemoWallet;
  /** Where the money of the other experiments goes. */
  readonly tillWallet: DemoWallet;
  /** Opens a wallet for each run on it. */
  readonly owner: DemoUser;
  /** Brings money in. */
  readonly admin: DemoUser;
}

export function castOf({ users }: DemoSession): Cast | null {
  const people = users.filter(({ role }) => role === null);
  const admin = users.find(({ role }) => role === "admin");
  const [payer, receiver] = people;
  const owner = people[2] ?? payer;
  const payerWallet = payer?.wallets.find(({ currency }) => currency === "USD");
  const receiverWallet = receiver?.wallets.find(({ currency }) => currency === "USD");
  const tillWallet = people.at(-1)?.wallets.find(({ currency }) => currency === "USD");
  return payer && receiver && owner && admin && payerWallet && receiverWallet && tillWallet ? { payer, payerWallet, receiver, receiverWallet, tillWallet, owner, admin } : null;
}
