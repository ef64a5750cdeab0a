import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link } from "wouter";
import { newest, positionOf, useFeed } from "../live/hooks.js";
import { FittedMoney } from "../money/Money.js";
import { useAccount } from "../session/AccountContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { Sparkline } from "./Sparkline.js";
import { pointsOf, type Point } from "./points.js";
import type { WalletSummary } from "./queries.js";

const SHOWN_POINTS = 40;

interface CardProps {
  readonly wallet: WalletSummary;
  readonly points: readonly Point[];
}

/** A wallet of one's own, whose balance ticks as entries arrive. */
export function WalletCard({ wallet: queried, points }: CardProps) {
  const { live } = useAccount();
  const place = useRef<HTMLDivElement>(null);
  const isNear = useIsNear(place);
  const feed = live.feed(queried.id, positionOf(queried));
  const state = useSyncExternalStore(feed.subscribe, () => feed.state);
  const wallet = newest(queried, state);
  const shown = pointsOf(points, state.arrivals.map(({ entry }) => entry)).slice(-SHOWN_POINTS);
  return (
    <div ref={place}>
      {isNear && <Follow wallet={queried} />}
      <Link href={`/wallets/${wallet.id}`} className="card wallet-card">
        <span className="wallet-card-top">
          <span className="wallet-card-name truncate">{wallet.name}</span>
          {wallet.status === "ACTIVE" ? <span className="muted">{wallet.currency}</span> : <StatusBadge status={wallet.status} />}
        </span>
        <span className="wallet-card-balance" key={wallet.sequence}>
          <FittedMoney money={wallet.balance} />
        </span>
        <Sparkline points={shown} />
      </Link>
    </div>
  );
}

/** Beside the card, which keeps its focus when it comes into view. Only those in view are followed: a connection carries few watches. */
function Follow({ wallet }: { readonly wallet: WalletSummary }) {
  useFeed(wallet);
  return null;
}

function useIsNear(place: { readonly current: Element | null }): boolean {
  const [isNear, setIsNear] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((seen) => setIsNear(seen.at(-1)?.isIntersecting === true), { rootMargin: "200px" });
    if (place.current !== null) {
      observer.observe(place.current);
    }
    return () => observer.disconnect();
  }, [place]);
  return isNear;
}
