import { useAnswer } from "../graphql/useAnswer.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { VIEWER_WALLETS } from "../wallets/queries.js";
import { Payment } from "./Payment.js";

export function SendPage() {
  useTitle("Send money");
  const { data, error, again } = useAnswer({ query: VIEWER_WALLETS });
  const wallets = data?.viewer.wallets.edges.map(({ node }) => node).reverse() ?? [];
  const [first] = wallets;
  return (
    <div className="narrow stack-large">
      <h1>Send money</h1>
      {error !== undefined && data === undefined && <QueryFailed error={error} onRetry={again} />}
      {error === undefined && data === undefined && <Skeleton label="Loading the wallets" rows={4} />}
      {data !== undefined && wallets.length === 0 && <Empty icon="wallet" title="There is no wallet to send from" />}
      {first !== undefined && <Payment wallets={wallets} first={first} />}
    </div>
  );
}
