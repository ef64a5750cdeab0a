import type { Counterparties, Party } from "./queries.js";

const MOST = 5;
const HOUR = 3_600_000;

/** The times of a query for counterparties: an hour, a day, a week and a month ago, by the full hour, so that they repeat. */
export function timesBefore(now: number) {
  const ago = (hours: number): string => new Date((Math.floor(now / HOUR) - hours) * HOUR).toISOString();
  return { hour: ago(0), day: ago(24), week: ago(7 * 24), month: ago(30 * 24) };
}

/** Whom a wallet's latest transfers went to or came from, each wallet once, newest first. */
export function counterpartiesOf(wallet: Counterparties, walletId: string): readonly Party[] {
  const lists = wallet === null ? [] : [wallet.newest, wallet.hour, wallet.day, wallet.week, wallet.month];
  const parties = lists.flatMap(({ edges }) => edges.flatMap(({ node: { sender, receiver } }) => [sender, receiver]));
  const others = parties.filter((party) => party !== null && party.walletId !== walletId);
  return [...new Map(others.map((party) => [party?.walletId, party])).values()].filter((party) => party !== null).slice(0, MOST);
}
