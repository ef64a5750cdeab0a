import { useExponent } from "../../money/CurrenciesContext.js";
import { formatMoney } from "../../money/format.js";
import { Notice } from "../../ui/Notice.js";
import { formatExact } from "../../ui/time.js";
import type { PublishInput } from "./queries.js";
import { feeOn, hundred, termsText } from "./terms.js";
import type { Publication } from "./usePublication.js";

/** Says what the schedule will charge, before it is published. */
export function ConfirmTerms({ input, publication }: { readonly input: PublishInput; readonly publication: Publication }) {
  const { isUnknown, isSending, problem, back, publish } = publication;
  const { name, currency, payer, validFrom, reason } = input;
  const exponent = useExponent(currency) ?? 2;
  const example = hundred(currency, exponent);
  const isFree = input.percent == null && input.flat == null;
  return (
    <div className="stack">
      <p>
        {isFree ? (
          <>Transfers in {currency} will cost nothing.</>
        ) : (
          <>
            A transfer of <strong>{formatMoney(example, exponent)}</strong> will cost <strong>{formatMoney(feeOn(example, input, exponent), exponent)}</strong>, paid by the{" "}
            {payer === "SENDER" ? "sender" : "receiver"}.
          </>
        )}
      </p>
      <dl className="facts">
        <dt>Name</dt>
        <dd>
          <bdi>{name}</bdi>
        </dd>
        <dt>Fee</dt>
        <dd>{termsText(input, exponent)}</dd>
        <dt>Valid</dt>
        <dd>{validFrom == null ? "At once, until the next version" : `From ${formatExact(validFrom)}, until the next version`}</dd>
        <dt>Reason</dt>
        <dd>
          <bdi>{reason}</bdi>
        </dd>
      </dl>
      {isUnknown ? (
        <Notice tone="warning" icon="alert" title="It is not known yet whether this was published">
          <p className="muted">{problem ?? ""} Sending it again with the same key is safe: it is published once.</p>
        </Notice>
      ) : (
        problem !== null && (
          <p className="field-problem" role="alert">
            {problem}
          </p>
        )
      )}
      <div className="form-actions">
        <button type="button" className="button button-primary" disabled={isSending} onClick={() => void publish()}>
          {isUnknown ? "Try again" : "Publish it"}
        </button>
        {!isUnknown && (
          <button type="button" className="button" disabled={isSending} onClick={back}>
            Back
          </button>
        )}
      </div>
    </div>
  );
}
