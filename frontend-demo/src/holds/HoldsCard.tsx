import "./holds.css";
import { useEffect, type ReactNode } from "react";
import type { FeedState } from "../live/feed.js";
import { useAccount } from "../session/AccountContext.js";
import { ActionOutcome } from "./ActionOutcome.js";
import { HoldActions } from "./HoldActions.js";
import { HoldRow } from "./HoldRow.js";
import { useSeconds } from "./clock.js";
import { listedAt, statusAt } from "./state.js";
import { useHoldAction } from "./useHoldAction.js";
import { useWalletHolds } from "./useFresh.js";

/** The holds on a wallet's money and in its favour; nothing where there are none. */
export function HoldsCard({ walletId, feed }: { readonly walletId: string; readonly feed: FeedState }) {
  const { isAdmin } = useAccount();
  const { holds, again } = useWalletHolds(walletId, feed);
  const { state, act, retry, clear } = useHoldAction(walletId);
  const seconds = useSeconds();
  useEffect(() => {
    if (state.phase === "settled" || state.phase === "refused") {
      again();
    }
  }, [state.phase, again]);
  if (holds === null) {
    return null;
  }
  const { outgoing, incoming, ended, hasMore } = listedAt(holds, seconds);
  if (outgoing.length + incoming.length + ended.length === 0 && state.phase === "draft") {
    return null;
  }
  const isBusy = state.phase === "sending" || state.phase === "unknown";
  return (
    <section className="card stack holds" aria-labelledby="holds">
      <h2 id="holds">Holds</h2>
      <ActionOutcome state={state} onRetry={retry} onDone={clear} />
      {outgoing.length > 0 && (
        <Group title="On this wallet’s money">
          {outgoing.map((hold) => (
            <HoldRow key={hold.id} hold={hold} status="OPEN" isIncoming={false} />
          ))}
        </Group>
      )}
      {incoming.length > 0 && (
        <Group title="In this wallet’s favour">
          {incoming.map((hold) => (
            <HoldRow key={hold.id} hold={hold} status="OPEN" isIncoming>
              {!isAdmin && <HoldActions hold={hold} isBusy={isBusy} onAct={act} />}
            </HoldRow>
          ))}
        </Group>
      )}
      {hasMore && <p className="muted">And more: these are the newest 20 on each side.</p>}
      {ended.length > 0 && (
        <Group title="Ended lately">
          {ended.map(({ hold, isIncoming }) => (
            <HoldRow key={hold.id} hold={hold} status={statusAt(hold, seconds)} isIncoming={isIncoming} />
          ))}
        </Group>
      )}
    </section>
  );
}

function Group({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <div>
      <h3>{title}</h3>
      <ul className="hold-list" aria-label={title}>
        {children}
      </ul>
    </div>
  );
}
