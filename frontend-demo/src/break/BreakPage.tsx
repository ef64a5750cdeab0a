import { lazyPart } from "../app/lazyPage.js";
import { CurrenciesProvider } from "../money/CurrenciesContext.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { watchOperation } from "../live/watch.js";
import { TRANSFER } from "../send/queries.js";
import { AccountProvider } from "../session/AccountContext.js";
import { demoAccount } from "../session/account.js";
import type { DemoSession } from "../session/demo.js";
import { Empty, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { CutTheLine } from "./CutTheLine.js";
import { HoldRace } from "./HoldRace.js";
import { HoldRun } from "./HoldRun.js";
import { OneKey } from "./OneKey.js";
import { RunOnWallet } from "./RunOnWallet.js";
import { castOf } from "./cast.js";

// Below what is first seen, so the page does not wait for it.
const Tamper = lazyPart(async () => (await import("./tamper/Tamper.js")).Tamper, <Skeleton label="Loading the experiment" />);

/** Experiments in which a ledger without these guarantees would lose or create money. */
export function BreakPage({ demo }: { readonly demo: DemoSession }) {
  useTitle("Try to break it");
  const cast = castOf(demo);
  if (cast === null) {
    return <Empty isPage icon="bolt" title="The demo has not enough people for this." />;
  }
  const { payer, payerWallet, receiver, receiverWallet } = cast;
  const input = {
    idempotencyKey: "one-key",
    senderWalletId: payerWallet.id,
    receiverWalletId: receiverWallet.id,
    amount: { amount: "0.01", currency: payerWallet.currency },
  };
  return (
    <AccountProvider account={demoAccount(payer)}>
      <CurrenciesProvider>
        <div className="stack-large">
          <section className="hero">
            <h1>Try to break it</h1>
            <p className="lead">Real requests to the running service, from this page. Nothing here is simulated.</p>
          </section>
          <div className="experiments">
            <OneKey cast={cast} />
            <RunOnWallet cast={cast} />
            <HoldRun cast={cast} />
            <HoldRace cast={cast} />
          </div>
          <AccountProvider account={demoAccount(receiver)}>
            <CutTheLine cast={cast} canBreak={demo.can_break} />
          </AccountProvider>
          <Tamper cast={cast} />
          <Operations operations={[operationOf(TRANSFER, { input }), watchOperation(receiverWallet.id)]} />
        </div>
      </CurrenciesProvider>
    </AccountProvider>
  );
}
