import { useState } from "react";
import { Link, useSearch } from "wouter";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import type { WalletSummary } from "../wallets/queries.js";
import { useOwnWallets } from "../wallets/useOwnWallets.js";
import { ConversionOutcome } from "./ConversionOutcome.js";
import { ConvertForm } from "./ConvertForm.js";
import { EMPTY, pairOf } from "./draft.js";
import { useConversion } from "./useConversion.js";

export function ConvertPage() {
  useTitle("Convert");
  const { wallets, error, again } = useOwnWallets();
  return (
    <section className="narrow stack-large">
      <h1>Convert</h1>
      {error !== undefined && wallets === null && <QueryFailed error={error} onRetry={again} />}
      {error === undefined && wallets === null && <Skeleton label="Loading the wallets" rows={4} />}
      {wallets !== null && <Conversion wallets={wallets} />}
    </section>
  );
}

/** The form, and what came of its conversion. */
function Conversion({ wallets }: { readonly wallets: readonly WalletSummary[] }) {
  const requested = new URLSearchParams(useSearch()).get("from");
  const { state, convert, retry, clear } = useConversion();
  const [draft, setDraft] = useState(EMPTY);
  const pair = pairOf(draft, wallets, requested);
  const isEditing = state.phase === "draft" || state.phase === "refused";
  const finish = (): void => {
    clear();
    if (state.phase === "settled") {
      setDraft({ ...draft, amount: "" });
    }
  };
  return (
    <>
      <ConversionOutcome state={state} wallets={wallets} onRetry={retry} onDone={finish} />
      {pair === null ? (
        <Empty icon="wallet" title="There is nothing to convert">
          <p className="muted">It takes two wallets in different currencies that are neither frozen nor closed.</p>
          <Link href="/wallets" className="button">
            To the wallets
          </Link>
        </Empty>
      ) : (
        <ConvertForm pair={pair} draft={draft} isEditing={isEditing} onChange={setDraft} onConvert={(quote) => convert(quote, pair.source.id, pair.target.id)} />
      )}
    </>
  );
}
