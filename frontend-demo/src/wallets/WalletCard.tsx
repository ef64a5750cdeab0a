import { Link } from "wouter";
import { newest, useFeed } from "../live/hooks.js";
import { MoneyText } from "../money/Money.js";
import { StatusBadge } from "../ui/Badge.js";
import { Sparkline } from "./Sparkline.js";
import { pointsOf, type Point } from "./points.js";
import type { WalletSummary } from "./queries.js";

const SHOWN_POINTS = 40;

/** A wallet of one's own: its balance ticks as entries arrive. */
export function WalletCard({ wallet: queried, points }: { readonly wallet: WalletSummary; readonly points: readonly Point[] }) {
  const feed = useFeed(queried);
  const wallet = newest(queried, feed);
  const shown = pointsOf(points, feed.arrivals.map(({ entry }) => entry)).slice(-SHOWN_POINTS);
  return (
    <Link href={`/wallets/${wallet.id}`} className="card wallet-card">
      <span className="wallet-card-top">
        <span className="wallet-card-name truncate">{wallet.name}</span>
        {wallet.status === "ACTIVE" ? <span className="muted">{wallet.currency}</span> : <StatusBadge status={wallet.status} />}
      </span>
      <span className="wallet-card-balance" key={wallet.sequence}>
        <MoneyText money={wallet.balance} />
      </span>
      <Sparkline points={shown} />
    </Link>
  );
}
