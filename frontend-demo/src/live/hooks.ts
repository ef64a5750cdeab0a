import { useEffect, useSyncExternalStore } from "react";
import type { Position } from "../paycore-live/index.js";
import { useAccount } from "../session/AccountContext.js";
import type { FeedState } from "./feed.js";
import type { LiveState } from "./connection.js";
import { useConnection } from "./page.js";
import type { SettledState } from "./settled.js";

/** What a query says of a wallet, enough to follow it from there. */
export interface Followed {
  readonly id: string;
  readonly sequence: string;
  readonly updatesCursor: string;
}

export function positionOf({ updatesCursor, sequence }: Followed): Position {
  return { cursor: updatesCursor, sequence };
}

/** Follow a wallet from where its query answered: nothing that comes after that is missed. */
export function useFeed(wallet: Followed): FeedState {
  const { live } = useAccount();
  const { id, sequence, updatesCursor } = wallet;
  useEffect(() => live.retain(id, { cursor: updatesCursor, sequence }), [live, id, sequence, updatesCursor]);
  const feed = live.feed(id, positionOf(wallet));
  return useSyncExternalStore(feed.subscribe, () => feed.state);
}

interface Present {
  readonly sequence: string;
  readonly status: string;
  readonly balance: { readonly amount: string; readonly currency: string };
  readonly available: { readonly amount: string; readonly currency: string };
}

/** The wallet as the query gave it, or as the feed knows it where that is newer. */
export function newest<W extends Present>(queried: W, feed: FeedState): W {
  const { wallet } = feed;
  if (wallet === null || BigInt(wallet.sequence) < BigInt(queried.sequence)) {
    return queried;
  }
  const { sequence, balance, available, status } = wallet;
  return { ...queried, sequence, balance, available, status };
}

/** The same for all parts of the page; null where nothing needs a connection. */
export function useLiveState(): LiveState | null {
  return useConnection().state;
}

export function useSettled(): SettledState {
  const { live } = useAccount();
  useEffect(() => live.settled.retain(), [live]);
  return useSyncExternalStore(live.settled.subscribe, () => live.settled.state);
}
