import { useEffect } from "react";
import { useAccount } from "../session/AccountContext.js";
import { useNewestWallets } from "../wallets/useOwnWallets.js";
import { positionOf } from "./hooks.js";

/** So many of one's wallets are followed on every page; others only while they are shown. */
const MOST_FOLLOWED = 12;

/** Follow what belongs to the account: its own wallets, or for administrators all that settles. */
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
