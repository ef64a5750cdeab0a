import "./exchange.css";
import { useState } from "react";
import { rateText } from "../../fx/words.js";
import { useAnswer } from "../../graphql/useAnswer.js";
import { useFresh } from "../../holds/useFresh.js";
import { Dialog } from "../../ui/Dialog.js";
import { Icon } from "../../ui/Icon.js";
import { QueryFailed, Skeleton } from "../../ui/Notice.js";
import type { LedgerStatus } from "../queries.js";
import { ConfirmRate } from "./ConfirmRate.js";
import { Positions } from "./Positions.js";
import { RateForm } from "./RateForm.js";
import { Rates } from "./Rates.js";
import { FX_RATES, type FxRate } from "./queries.js";
import { EMPTY_RATE } from "./rate.js";
import { useRateSetting } from "./useRateSetting.js";

/** The rates in force, a form that sets one, and what exchanges have bought and sold. */
export function ExchangeCard({ fx }: { readonly fx: LedgerStatus["fx"] }) {
  const { data, error, again } = useAnswer({ query: FX_RATES });
  // Rates of a feed change by themselves.
  useFresh(again, null);
  const [isOpen, setIsOpen] = useState(false);
  const [typed, setTyped] = useState(EMPTY_RATE);
  const [last, setLast] = useState<FxRate | null>(null);
  const setting = useRateSetting((rate) => {
    setLast(rate);
    setIsOpen(false);
    setTyped(EMPTY_RATE);
    again();
  });
  const rates = data?.fxRates;
  return (
    <section className="card table-card" aria-labelledby="exchange-rates">
      <div className="table-title">
        <h2 id="exchange-rates">Exchange</h2>
        <button type="button" className="button button-small" onClick={() => setIsOpen(true)}>
          <Icon name="plus" /> Set a rate
        </button>
      </div>
      <p role="status" className={last === null ? "visually-hidden" : "fee-published"}>
        {last !== null && `Set: ${rateText(last)}.`}
      </p>
      {rates === undefined && (error === undefined ? <Skeleton label="Loading the rates" /> : <QueryFailed error={error} onRetry={again} />)}
      {rates !== undefined && <Rates rates={rates} />}
      <Positions fx={fx} />
      {isOpen && (
        <Dialog title={setting.input === null ? "Set a rate" : "Set this rate?"} onClose={() => setIsOpen(false)}>
          {setting.input === null ? (
            <RateForm typed={typed} problem={setting.problem} onChange={setTyped} onDone={setting.confirm} />
          ) : (
            <ConfirmRate input={setting.input} present={rates?.find(isBetween(setting.input)) ?? null} setting={setting} />
          )}
        </Dialog>
      )}
    </section>
  );
}

/** One rate holds between two currencies, in whichever direction it was set. */
function isBetween({ base, quote }: { readonly base: string; readonly quote: string }) {
  return (rate: FxRate): boolean => (rate.base === base && rate.quote === quote) || (rate.base === quote && rate.quote === base);
}
