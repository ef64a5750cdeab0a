import type { RecentAnswer } from "./queries.js";

/** Somebody who can be paid, and from which of one's own wallets. */
export interface Person {
  readonly walletId: string;
  readonly displayName: string;
  readonly currency: string;
  readonly from: string;
}

const MOST_PEOPLE = 6;

/** Whom the latest payments went to or came from, each wallet once, newest first. */
export function peopleOf({ wallets }: RecentAnswer["viewer"]): readonly Person[] {
  const own = new Set(wallets.edges.map(({ node }) => node.id));
  const met = wallets.edges.flatMap(({ node: wallet }) =>
    wallet.transactions.edges.flatMap(({ node: { createdAt, sender, receiver } }) =>
      [sender, receiver].flatMap((party) => (party === null || own.has(party.walletId) ? [] : [{ at: createdAt, person: { ...party, from: wallet.id } }])),
    ),
  );
  const newestFirst = met.sort((one, other) => (one.at < other.at ? 1 : -1)).map(({ person }) => person);
  return newestFirst.filter(({ walletId }, index) => newestFirst.findIndex((other) => other.walletId === walletId) === index).slice(0, MOST_PEOPLE);
}
