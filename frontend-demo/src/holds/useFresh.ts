import { useEffect, useRef } from "react";
import type { FeedState } from "../live/feed.js";
import { heldOf } from "../money/held.js";
import { useAnswer } from "../graphql/useAnswer.js";
import { useEvery } from "../graphql/useEvery.js";
import { WALLET_HOLDS, type WalletHolds } from "./queries.js";

const EVERY_MILLISECONDS = 10_000;

/** Asks again at each change of `cause`, and every ten seconds while the page is in sight: of a hold in a wallet's favour no update of that wallet says anything. */
export function useFresh(again: () => void, cause: unknown): void {
  const before = useRef(cause);
  useEffect(() => {
    if (before.current !== cause) {
      before.current = cause;
      again();
    }
  }, [again, cause]);
  useEvery(EVERY_MILLISECONDS, again);
}

/** Changes with what is held of the wallet, and with each capture that pays it or is paid by it; null before the first update. */
function causeOf({ wallet, arrivals }: FeedState): string | null {
  const capture = arrivals.find(({ entry }) => entry.transaction.type === "CAPTURE");
  return wallet === null ? null : `${heldOf(wallet).amount} ${capture?.entry.id ?? ""}`;
}

/** A wallet's holds, asked again whenever something happened to them. */
export function useWalletHolds(id: string, feed: FeedState): { readonly holds: WalletHolds | null; readonly again: () => void } {
  const { data, again } = useAnswer({ query: WALLET_HOLDS, variables: { id } });
  useFresh(again, causeOf(feed));
  return { holds: data?.wallet ?? null, again };
}
