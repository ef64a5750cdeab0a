import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import type { Position } from "../paycore-live/index.js";
import { useAccount } from "../session/AccountContext.js";
import type { FeedState } from "./feed.js";
import type { LiveState } from "./connection.js";
import { useConnection } from "./page.js";
import type { SettledState } from "./settled.js";

/** The fields of a queried wallet that are needed to watch it from there. */
export interface Followed {
  readonly id: string;
  readonly sequence: string;
  readonly updatesCursor: string;
}

export function positionOf({ updatesCursor, sequence }: Followed): Position {
  return { cursor: updatesCursor, sequence };
}

/** Watch a wallet from the position of its query. No later entry is missed. */
export function useFeed(wallet: Followed): FeedState {
  const { live } = useAccount();
  const { id, sequence, updatesCursor } = wallet;
  useEffect(() => live.retain(id, { cursor: updatesCursor, sequence }), [live, id, sequence, updatesCursor]);
  const feed = live.feed(id, positionOf(wallet));
  return useSyncExternalStore(feed.subscribe, () => feed.state);
}

/** The cursor of the newest payment that arrived in any of these wallets while the page was open; null if none did. */
export function useNews(wallets: readonly Followed[] | undefined): string | null {
  const { live } = useAccount();
  const feeds = useMemo(() => wallets?.map((wallet) => live.feed(wallet.id, positionOf(wallet))) ?? [], [live, wallets]);
  const subscribe = useCallback(
    (listener: () => void) => {
      const leaves = feeds.map((feed) => feed.subscribe(listener));
      return () => leaves.forEach((leave) => leave());
    },
    [feeds],
  );
  return useSyncExternalStore(subscribe, () => {
    const arrived = feeds.map(({ state }) => ({ at: state.arrivals[0]?.arrivedAt ?? -Infinity, cursor: state.cursor }));
    return arrived.reduce((newest, each) => (each.at > newest.at ? each : newest), { at: -Infinity, cursor: null as string | null }).cursor;
  });
}

interface Present {
  readonly sequence: string;
  readonly status: string;
  readonly balance: { readonly amount: string; readonly currency: string };
  readonly available: { readonly amount: string; readonly currency: string };
}

/** The newer one of the queried wallet and the feed's wallet. */
export function newest<W extends Present>(queried: W, feed: FeedState): W {
  const { wallet } = feed;
  if (wallet === null || BigInt(wallet.sequence) < BigInt(queried.sequence)) {
    return queried;
  }
  const { sequence, balance, available, status } = wallet;
  return { ...queried, sequence, balance, available, status };
}

/** The state of the whole page. Null if nothing needs a connection. */
export function useLiveState(): LiveState | null {
  return useConnection().state;
}

export function useSettled(): SettledState {
  const { live } = useAccount();
  useEffect(() => live.settled.retain(), [live]);
  return useSyncExternalStore(live.settled.subscribe, () => live.settled.state);
}
