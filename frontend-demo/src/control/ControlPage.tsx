import { lazyPart } from "../app/lazyPage.js";
import { isTransient } from "../graphql/lastGood.js";
import { SETTLED } from "../live/settled.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useSession } from "../session/SessionContext.js";
import { QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { AdminOnly } from "./AdminOnly.js";
import { AsOf, useIsStale } from "./AsOf.js";
import { Figures } from "./Figures.js";
import { Freezer } from "./Freezer.js";
import { Promptness } from "./Promptness.js";
import { SettledList } from "./SettledList.js";
import { Throughput } from "./Throughput.js";
import { Totals } from "./Totals.js";
import { Traffic } from "./Traffic.js";
import { TrialBalance } from "./TrialBalance.js";
import { FX_RATES } from "./exchange/queries.js";
import { FeesCard } from "./fees/FeesCard.js";
import { LEDGER_STATUS, SET_WALLET_STATUS } from "./queries.js";
import { useLedgerStatus } from "./useLedgerStatus.js";

// Below what is first seen, so the page does not wait for it.
const ExchangeCard = lazyPart(async () => (await import("./exchange/ExchangeCard.js")).ExchangeCard, <Skeleton label="Loading the exchange" />);

export function ControlPage() {
  useTitle("Control room");
  return (
    <AdminOnly title="The control room">
      <ControlRoom />
    </AdminOnly>
  );
}

function ControlRoom() {
  const { demo } = useSession();
  const { status, answeredAt, throughput, error } = useLedgerStatus();
  const isStale = useIsStale(answeredAt);
  const walletId = status?.hotWallets[0]?.id ?? demo?.users.flatMap(({ wallets }) => wallets)[0]?.id;
  const freeze = walletId === undefined ? [] : [operationOf(SET_WALLET_STATUS, { input: { walletId, status: "FROZEN", reason: "Looks like fraud" } })];
  return (
    <div className="stack-large">
      <div className="page-top">
        <h1>Control room</h1>
        <AsOf answeredAt={isStale ? answeredAt : null} />
      </div>
      {error !== null && (status === null || !isTransient(error)) && <QueryFailed error={error} onRetry={() => window.location.reload()} />}
      {status === null && error === null && <Skeleton label="Loading the ledger's state" rows={4} />}
      {status !== null && (
        <div className={isStale ? "stack-large is-stale" : "stack-large"}>
          <Totals totals={status.totals} />
          <div className="line-cards">
            <Throughput perSecond={status.transfersPerSecond} samples={throughput} />
            <Promptness />
          </div>
          <Figures status={status} />
          <div className="control-grid">
            <Freezer hotWallets={status.hotWallets} />
            <div className="stack-large">
              {demo !== null && <Traffic />}
              <SettledList />
            </div>
          </div>
          <ExchangeCard fx={status.fx} />
          <div className="ledger-cards">
            <FeesCard />
            <TrialBalance lines={status.trialBalance} />
          </div>
        </div>
      )}
      <Operations operations={[operationOf(LEDGER_STATUS, {}), operationOf(SETTLED, {}), operationOf(FX_RATES, {}), ...freeze]} />
    </div>
  );
}
