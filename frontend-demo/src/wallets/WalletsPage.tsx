import { Link } from "wouter";
import { watchOperation } from "../live/watch.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { Icon } from "../ui/Icon.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { AllWallets } from "./AllWallets.js";
import { OpenWallet } from "./OpenWallet.js";
import { WalletCard } from "./WalletCard.js";
import { ALL_WALLETS, VIEWER_WALLETS } from "./queries.js";
import { useOwnCharts, useOwnWallets } from "./useOwnWallets.js";

export function WalletsPage() {
  const { isAdmin } = useAccount();
  useTitle("Wallets");
  return isAdmin ? (
    <div className="stack-large">
      <h1>All wallets</h1>
      <AllWallets />
      <Operations operations={[operationOf(ALL_WALLETS, {})]} />
    </div>
  ) : (
    <OwnWallets />
  );
}

function OwnWallets() {
  const { displayName, wallets, error, again } = useOwnWallets();
  const charts = useOwnCharts();
  const first = wallets?.[0];
  const canConvert = wallets?.some(({ currency }) => currency !== first?.currency) === true;
  return (
    <div className="stack-large">
      <div className="page-top">
        <h1>{displayName === null ? "Wallets" : `${displayName}’s wallets`}</h1>
        <div className="form-actions">
          {canConvert && (
            <Link href="/convert" className="button">
              <Icon name="swap" /> Convert
            </Link>
          )}
          <Link href="/activity" className="button">
            <Icon name="activity" /> Activity
          </Link>
          <Link href="/webhooks" className="button">
            <Icon name="hook" /> Webhooks
          </Link>
          <OpenWallet onOpened={again} />
        </div>
      </div>
      {error !== undefined && wallets === null && <QueryFailed error={error} onRetry={again} />}
      {error === undefined && wallets === null && <Skeleton label="Loading the wallets" />}
      {wallets?.length === 0 && (
        <Empty icon="wallet" title="No wallets yet">
          <p className="muted">Open one to be paid into it.</p>
        </Empty>
      )}
      <div className="wallet-grid">
        {wallets?.map((wallet) => (
          <WalletCard key={wallet.id} wallet={wallet} points={charts.get(wallet.id) ?? []} />
        ))}
      </div>
      <Operations operations={[operationOf(VIEWER_WALLETS, { after: null }), ...(first === undefined ? [] : [watchOperation(first.id)])]} />
    </div>
  );
}
