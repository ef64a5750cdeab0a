import { useMemo, useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { Link } from "wouter";
import { Activity } from "../activity/Activity.js";
import { ACTIVITY } from "../activity/queries.js";
import { lazyPart } from "../app/lazyPage.js";
import type { ResultOf } from "../graphql/tada.js";
import { heldOf } from "../money/held.js";
import { newest, useFeed } from "../live/hooks.js";
import { watchOperation } from "../live/watch.js";
import { FittedMoney, MoneyText } from "../money/Money.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { CopyableId } from "../ui/Copy.js";
import { Icon } from "../ui/Icon.js";
import { PagePending, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { BalanceChart } from "./chart/BalanceChart.js";
import { NoSuchWallet } from "./NoSuchWallet.js";
import { WALLET } from "./queries.js";

// Most wallets have no holds, and most users are no operators: the page does not wait for them.
const OperatorCard = lazyPart(async () => (await import("./operator/OperatorCard.js")).OperatorCard, <Skeleton label="Loading the operator’s part" rows={2} />);
const TimeTravel = lazyPart(async () => (await import("./time/TimeTravel.js")).TimeTravel, <Skeleton label="Loading the wallet as it was" rows={3} />);
const HoldsCard = lazyPart(async () => (await import("../holds/HoldsCard.js")).HoldsCard, null);

type LoadedWallet = NonNullable<ResultOf<typeof WALLET>["wallet"]>;

export function WalletPage({ id }: { readonly id: string }) {
  const { data, error, again } = useAnswer({ query: WALLET, variables: { id } });
  useTitle(data?.wallet?.name ?? "Wallet");
  if (data === undefined) {
    return <PagePending title="Wallet" label="Loading the wallet" error={error} again={again} />;
  }
  if (data.wallet === null) {
    return <NoSuchWallet />;
  }
  return <LoadedWalletPage wallet={data.wallet} />;
}

function LoadedWalletPage({ wallet: queried }: { readonly wallet: LoadedWallet }) {
  const { isAdmin } = useAccount();
  const feed = useFeed(queried);
  const wallet = newest(queried, feed);
  const known = useMemo(() => queried.entries.edges.map(({ node }) => node), [queried]);
  const beganAt = queried.oldest.edges[0]?.node.createdAt ?? feed.arrivals.at(-1)?.entry.createdAt ?? queried.createdAt;
  const [isTravelling, setIsTravelling] = useState(false);
  const [isAway, setIsAway] = useState(false);
  const newestEntries = useMemo(() => [known, feed.arrivals.map(({ entry }) => entry)], [known, feed.arrivals]);
  return (
    <div className="stack-large">
      <section className="card wallet-head" aria-label="Wallet">
        <div className="wallet-head-top">
          <div className="wallet-head-name">
            <h1>{wallet.name}</h1>
            <p className="muted wallet-head-facts">
              <StatusBadge status={wallet.status} />
              {wallet.owner !== null && isAdmin && <span>{wallet.owner.displayName}</span>}
              <CopyableId id={wallet.id} label="the wallet's id" />
            </p>
          </div>
          {!isAdmin && (
            <div className="form-actions">
              <Link href={`/convert?from=${wallet.id}`} className="button">
                <Icon name="swap" /> Convert
              </Link>
              <Link href={`/send?from=${wallet.id}`} className="button button-primary">
                <Icon name="send" /> Send
              </Link>
            </div>
          )}
        </div>
        <p className="wallet-head-balance" aria-live="polite" aria-label="Balance">
          <FittedMoney money={wallet.balance} />
        </p>
        {wallet.available.amount !== wallet.balance.amount && wallet.kind === "USER" && (
          <p className="muted">
            Held: <MoneyText money={heldOf(wallet)} /> · Available: <MoneyText money={wallet.available} />
          </p>
        )}
        <BalanceChart walletId={wallet.id} currency={wallet.currency} newest={newestEntries} beganAt={beganAt} />
        <div className="wallet-head-more">
          <button
            type="button"
            className="button button-small"
            aria-expanded={isTravelling}
            onClick={() => {
              setIsTravelling(!isTravelling);
              setIsAway(false);
            }}
          >
            <Icon name="history" /> Time travel
          </button>
          <Link href={`/wallets/${wallet.id}/statements`} className="button button-small">
            <Icon name="file" /> Statements
          </Link>
        </div>
      </section>
      {isTravelling && <TimeTravel walletId={wallet.id} beganAt={beganAt} isAway={isAway} onAway={setIsAway} />}
      {isAdmin && wallet.kind === "USER" && <OperatorCard wallet={wallet} />}
      {/* Not beside the wallet as it was: nobody should take the one for the other. */}
      {!isAway && <HoldsCard walletId={wallet.id} feed={feed} />}
      {!isAway && <Activity wallet={queried} isOwned={queried.owner !== null} feed={feed} />}
      <Operations operations={[operationOf(WALLET, { id: wallet.id }), operationOf(ACTIVITY, { id: wallet.id, first: 25 }), watchOperation(wallet.id)]} />
    </div>
  );
}
