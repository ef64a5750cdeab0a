import { useEffect } from "react";
import { useAccount } from "../session/AccountContext.js";
import { useNewestWallets } from "../wallets/useOwnWallets.js";
import { positionOf } from "./hooks.js";

/** How many of a user's wallets are watched on every page. The others are watched only while a page shows them. */
const MOST_FOLLOWED = 12;

/** Watch the account's own wallets, or for an administrator all settled transactions. */
export function useOwnFeeds(): void {
  const { live, isAdmin } = useAccount();
  const { data } = useNewestWallets(isAdmin);
  useEffect(() => {
    if (isAdmin) {
      return live.settled.retain();
    }
    const wallets = data?.viewer.wallets.edges.map(({ node }) => node).slice(-MOST_FOLLOWED) ?? [];
    const releases = wallets.map((wallet) => live.retain(wallet.id, positionOf(wallet)));
    return () => releases.forEach((release) => release());
  }, [live, isAdmin, data]);
}
