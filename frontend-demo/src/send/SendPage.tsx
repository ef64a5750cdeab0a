import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { useOwnWallets } from "../wallets/useOwnWallets.js";
import { Payment } from "./Payment.js";

export function SendPage() {
  useTitle("Send money");
  const { wallets, error, again } = useOwnWallets();
  const first = wallets?.[0];
  return (
    <div className="narrow stack-large">
      <h1>Send money</h1>
      {error !== undefined && wallets === null && <QueryFailed error={error} onRetry={again} />}
      {error === undefined && wallets === null && <Skeleton label="Loading the wallets" rows={4} />}
      {wallets?.length === 0 && <Empty icon="wallet" title="There is no wallet to send from" />}
      {wallets !== null && first !== undefined && <Payment wallets={wallets} first={first} />}
    </div>
  );
}
