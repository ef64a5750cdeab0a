import { useSyncExternalStore, type ReactNode } from "react";
import { useLedgerStatus } from "../control/useLedgerStatus.js";
import { useConnection } from "../live/page.js";
import { useMedian } from "../live/painted.js";
import { MoneyText } from "../money/Money.js";
import { Icon } from "../ui/Icon.js";
import type { Stage } from "./stage.js";

/** What settled on these phones, how fast, and the sum of the whole ledger. */
export function Proof({ stage, sum }: { readonly stage: Stage; readonly sum: ReactNode }) {
  const { settled, entryIds } = useSyncExternalStore(stage.subscribe, () => stage.state);
  const median = useMedian(entryIds);
  return (
    <dl className="proof" aria-label="Since this page was opened">
      <div>
        <dt>settled</dt>
        <dd data-settled={settled}>{settled.toLocaleString()}</dd>
      </div>
      <div title="From the ledger’s commit to this screen">
        <dt>median</dt>
        <dd>{median === null ? "…" : `${Math.round(median)} ms`}</dd>
      </div>
      {sum}
    </dl>
  );
}

/** The sum of all balances, as the ledger gives it to administrators. If a currency does not sum to zero, that one is shown. */
export function LedgerSum({ currency }: { readonly currency: string }) {
  const { status } = useLedgerStatus();
  const { lostAt } = useConnection();
  const totals = status?.totals.map(({ difference }) => difference) ?? [];
  const broken = totals.find(({ amount }) => !/^-?0(\.0+)?$/.test(amount));
  const shown = broken ?? totals.find((total) => total.currency === currency) ?? totals[0];
  return (
    <div title="Of all balances, in every currency" className={lostAt === null ? undefined : "proof-old"}>
      <dt>sum</dt>
      {shown === undefined ? (
        <dd>…</dd>
      ) : (
        <dd className={broken === undefined ? "total-good" : "total-bad"}>
          <MoneyText money={shown} /> <Icon name={broken === undefined ? "check" : "alert"} />
        </dd>
      )}
    </div>
  );
}
