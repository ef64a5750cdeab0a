import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import type { Arrival } from "../live/feed.js";
import { newest, useFeed } from "../live/hooks.js";
import { FittedMoney } from "../money/Money.js";
import { StatusBadge } from "../ui/Badge.js";
import { Sparkline } from "./Sparkline.js";
import { pointsOf, type Point } from "./points.js";
import type { WalletSummary } from "./queries.js";

const SHOWN_POINTS = 40;

interface CardProps {
  readonly wallet: WalletSummary;
  readonly points: readonly Point[];
}

/** A wallet of one's own. Only those in view are followed: a connection carries a limited number of watches. */
export function WalletCard(props: CardProps) {
  const place = useRef<HTMLDivElement>(null);
  const isNear = useIsNear(place);
  return <div ref={place}>{isNear ? <LiveCard {...props} /> : <Card {...props} arrivals={[]} />}</div>;
}

/** Its balance ticks as entries arrive. */
function LiveCard({ wallet, points }: CardProps) {
  const feed = useFeed(wallet);
  return <Card wallet={newest(wallet, feed)} points={points} arrivals={feed.arrivals} />;
}

function Card({ wallet, points, arrivals }: CardProps & { readonly arrivals: readonly Arrival[] }) {
  const shown = pointsOf(points, arrivals.map(({ entry }) => entry)).slice(-SHOWN_POINTS);
  return (
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
  );
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
