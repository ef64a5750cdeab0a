import { rateText } from "../../fx/words.js";
import type { FxRate, RateInput } from "./queries.js";
import { spreadText } from "./rate.js";
import type { RateSetting } from "./useRateSetting.js";

interface ConfirmRateProps {
  readonly input: RateInput;
  /** The one that it replaces. */
  readonly present: FxRate | null;
  readonly setting: RateSetting;
}

/** Says which rate will be in force, before it is set. */
export function ConfirmRate({ input, present, setting: { isSending, problem, back, set } }: ConfirmRateProps) {
  return (
    <div className="stack">
      <p>
        Exchanges will be made at <strong>{rateText(input)}</strong>, in both directions, from now on. Quotes that were given stay as they are.
      </p>
      <dl className="facts">
        <dt>Now</dt>
        <dd>{present === null ? "There is no rate between the two" : rateText(present)}</dd>
        <dt>Spread</dt>
        <dd>{spreadText(input.spreadBasisPoints)} of what is sold</dd>
        <dt>Source</dt>
        <dd>
          <bdi>{input.source}</bdi>
        </dd>
        <dt>Reason</dt>
        <dd>
          <bdi>{input.reason}</bdi>
        </dd>
      </dl>
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      <div className="form-actions">
        <button type="button" className="button button-primary" disabled={isSending} onClick={() => void set()}>
          Set this rate
        </button>
        <button type="button" className="button" disabled={isSending} onClick={back}>
          Back
        </button>
      </div>
    </div>
  );
}
