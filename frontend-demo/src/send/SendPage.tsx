import { useSearch } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { useOwnWallets } from "../wallets/useOwnWallets.js";
import { Payment } from "./Payment.js";
import { WALLET_PARTY, type Party } from "./queries.js";

export function SendPage() {
  useTitle("Send money");
  const { wallets, error, again } = useOwnWallets();
  const to = useAskedParty();
  const first = wallets?.[0];
  return (
    <div className="narrow stack-large">
      <h1>Send money</h1>
      {error !== undefined && wallets === null && <QueryFailed error={error} onRetry={again} />}
      {error === undefined && wallets === null && <Skeleton label="Loading the wallets" rows={4} />}
      {wallets?.length === 0 && <Empty icon="wallet" title="There is no wallet to send from" />}
      {wallets !== null && first !== undefined && to !== "loading" && <Payment key={to?.walletId} wallets={wallets} first={first} to={to} />}
    </div>
  );
}

/** Whom the page's address asks to pay, as in /send?to=wal_…; null where there is no such wallet. */
function useAskedParty(): Party | null | "loading" {
  const walletId = new URLSearchParams(useSearch()).get("to");
  const { data, error } = useAnswer({ query: WALLET_PARTY, variables: { walletId: walletId ?? "" }, pause: walletId === null, requestPolicy: "cache-first" });
  return walletId !== null && data === undefined && error === undefined ? "loading" : (data?.walletParty ?? null);
}
