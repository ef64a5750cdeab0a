import { isZero } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import type { Hold, WalletHolds } from "./queries.js";

/** The status at this time: a hold counts for nothing from the instant of its expiry, whether or not anything has arrived that says so. */
export function statusAt({ status, expiresAt }: Pick<Hold, "status" | "expiresAt">, seconds: number): Hold["status"] {
  return status === "OPEN" && expiresAt !== null && Date.parse(expiresAt) <= seconds * 1_000 ? "EXPIRED" : status;
}

export interface ListedHold {
  readonly hold: Hold;
  readonly isIncoming: boolean;
}

export interface Listed {
  readonly outgoing: readonly Hold[];
  readonly incoming: readonly Hold[];
  /** The last ones that ended, newest first. */
  readonly ended: readonly ListedHold[];
  readonly hasMore: boolean;
}

const SHOWN_ENDED = 3;

/** What the page lists at this time. What expires moves from the open ones to the ended ones. */
export function listedAt(found: WalletHolds, seconds: number): Listed {
  const isOpen = (hold: Hold): boolean => statusAt(hold, seconds) === "OPEN";
  const all = [
    ...[found.outgoing, found.newestOutgoing].flatMap(({ edges }) => edges.map(({ node: hold }) => ({ hold, isIncoming: false }))),
    ...[found.incoming, found.newestIncoming].flatMap(({ edges }) => edges.map(({ node: hold }) => ({ hold, isIncoming: true }))),
  ];
  const ended = new Map(all.filter(({ hold }) => !isOpen(hold)).map((listed) => [listed.hold.id, listed]));
  return {
    outgoing: found.outgoing.edges.map(({ node }) => node).filter(isOpen),
    incoming: found.incoming.edges.map(({ node }) => node).filter(isOpen),
    ended: [...ended.values()].sort((a, b) => endOf(b.hold) - endOf(a.hold)).slice(0, SHOWN_ENDED),
    hasMore: found.outgoing.pageInfo.hasNextPage || found.incoming.pageInfo.hasNextPage,
  };
}

/** A hold that has expired has no closing time before the service has written its expiry. */
function endOf({ closedAt, expiresAt, createdAt }: Hold): number {
  return Date.parse(closedAt ?? expiresAt ?? createdAt);
}

/** What became of a hold's amount, in the order in which it is said. */
export function partsOf({ captured, released, remaining }: Hold): { readonly word: string; readonly money: Money }[] {
  return [
    { word: "captured", money: captured },
    { word: "released", money: released },
    { word: "remains", money: remaining },
  ].filter(({ money }) => !isZero(money.amount));
}
