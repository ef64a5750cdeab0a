import { useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { useSearch } from "wouter";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { VIEWER_WALLETS } from "../wallets/queries.js";
import { Outcome } from "./Outcome.js";
import { SendForm } from "./SendForm.js";
import { TRANSFER, WALLET_PARTY } from "./queries.js";
import { useIntent } from "./useIntent.js";

export function SendPage() {
  useTitle("Send money");
  const { data, error, again } = useAnswer({ query: VIEWER_WALLETS });
  const wallets = data?.viewer.wallets.edges.map(({ node }) => node).reverse() ?? [];
  return (
    <div className="narrow stack-large">
      <h1>Send money</h1>
      {error !== undefined && data === undefined && <QueryFailed error={error} onRetry={again} />}
      {error === undefined && data === undefined && <Skeleton label="Loading the wallets" rows={4} />}
      {data !== undefined && wallets.length === 0 && <Empty icon="wallet" title="There is no wallet to send from" />}
      {wallets.length > 0 && <Payment wallets={wallets} />}
    </div>
  );
}

function Payment({ wallets }: { readonly wallets: Parameters<typeof SendForm>[0]["wallets"] }) {
  const asked = new URLSearchParams(useSearch()).get("from");
  const { state, send, repeat, edit } = useIntent();
  const [attempts, setAttempts] = useState(0);
  const again = (): void => {
    edit();
    setAttempts((count) => count + 1);
  };
  const example = {
    idempotencyKey: "one-key-for-one-payment",
    senderWalletId: asked ?? wallets[0]?.id ?? "",
    receiverWalletId: "wal_…",
    amount: { amount: "1.00", currency: wallets.find(({ id }) => id === asked)?.currency ?? wallets[0]?.currency ?? "" },
  };
  const input = state.phase === "editing" ? example : state.input;
  return (
    <>
      {/* It stays as it is typed behind what became of it: a refused payment is changed, not typed anew. */}
      <div hidden={state.phase !== "editing"}>
        <SendForm key={attempts} wallets={wallets} from={asked} onSend={send} />
      </div>
      {state.phase !== "editing" && <Outcome state={state} wallets={wallets} onRepeat={repeat} onEdit={edit} onNext={again} />}
      <Operations operations={[operationOf(TRANSFER, { input }), operationOf(WALLET_PARTY, { walletId: input.receiverWalletId })]} />
    </>
  );
}
