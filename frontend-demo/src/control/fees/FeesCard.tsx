import { useState } from "react";
import { useAnswer } from "../../graphql/useAnswer.js";
import { useExponent } from "../../money/CurrenciesContext.js";
import { formatMoney } from "../../money/format.js";
import { Icon } from "../../ui/Icon.js";
import { Dialog } from "../../ui/Dialog.js";
import { Empty, QueryFailed, Skeleton } from "../../ui/Notice.js";
import { formatExact } from "../../ui/time.js";
import { ConfirmTerms } from "./ConfirmTerms.js";
import { TermsForm } from "./TermsForm.js";
import { FEE_SCHEDULES, type FeeSchedule, type Published } from "./queries.js";
import { EMPTY_TERMS, feeOn, hundred, termsText } from "./terms.js";
import { usePublication } from "./usePublication.js";
import "./fees.css";

/** The fee schedules that are valid now, and a form that publishes the next version of one. */
export function FeesCard() {
  const { data, error, again } = useAnswer({ query: FEE_SCHEDULES });
  const [isOpen, setIsOpen] = useState(false);
  const [typed, setTyped] = useState(EMPTY_TERMS);
  const [published, setPublished] = useState<Published | null>(null);
  const publication = usePublication((schedule) => {
    setPublished(schedule);
    setIsOpen(false);
    setTyped(EMPTY_TERMS);
    again();
  });
  return (
    <section className="card table-card" aria-labelledby="fees">
      <div className="table-title">
        <h2 id="fees">Fees</h2>
        <button type="button" className="button button-small" onClick={() => setIsOpen(true)}>
          <Icon name="plus" /> Publish a schedule
        </button>
      </div>
      <p role="status" className={published === null && !publication.isUnknown ? "visually-hidden" : "fee-published"}>
        {publication.isUnknown
          ? "It is not known yet whether a schedule was published. Open it to send it again."
          : published !== null && `Published: ${published.name}, version ${published.version}, valid from ${formatExact(published.validFrom)}.`}
      </p>
      {data === undefined && (error === undefined ? <Skeleton label="Loading the fee schedules" /> : <QueryFailed error={error} onRetry={again} />)}
      {data?.feeSchedules.length === 0 && (
        <Empty icon="wallet" title="No fees">
          <p className="muted">Nothing is charged until a schedule is published.</p>
        </Empty>
      )}
      <ul className="fee-schedules">
        {data?.feeSchedules.map((schedule) => (
          <ScheduleRow key={schedule.id} schedule={schedule} />
        ))}
      </ul>
      {isOpen && (
        <Dialog title={publication.input === null ? "Publish a fee schedule" : "Publish this?"} onClose={() => setIsOpen(false)}>
          {publication.input === null ? (
            <TermsForm typed={typed} problem={publication.problem} onChange={setTyped} onDone={publication.confirm} />
          ) : (
            <ConfirmTerms input={publication.input} publication={publication} />
          )}
        </Dialog>
      )}
    </section>
  );
}

const PAID_FOR: Readonly<Record<string, string>> = { DEPOSIT: "Deposits", CONVERSION: "Exchanges" };

function ScheduleRow({ schedule }: { readonly schedule: FeeSchedule }) {
  const { name, version, transactionType, currency, userId, payer, rounding, validFrom } = schedule;
  const exponent = useExponent(currency);
  return (
    <li className="fee-schedule">
      <div>
        <h3 className="fee-name">
          <bdi>{name}</bdi>
        </h3>
        <p className="muted">
          {PAID_FOR[transactionType] ?? "Transfers"} in {currency}
          {userId !== null && `, of ${userId} only`}, paid by the {payer === "SENDER" ? "sender" : "receiver"}
        </p>
        <p className="muted">
          Version {version}, valid from <time dateTime={validFrom}>{formatExact(validFrom)}</time>
        </p>
      </div>
      {exponent !== undefined && (
        <div className="fee-terms">
          <p>{termsText(schedule, exponent)}</p>
          {rounding === "HALF_EVEN" && (
            <p className="muted">
              {formatMoney(feeOn(hundred(currency, exponent), schedule, exponent), exponent)} on {formatMoney(hundred(currency, exponent), exponent)}
            </p>
          )}
        </div>
      )}
    </li>
  );
}
