import "./fx.css";
import { chargeText } from "../fees/charge.js";
import { isZero } from "../money/decimal.js";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { Icon } from "../ui/Icon.js";
import { useSecondsUntil } from "../ui/useSecondsUntil.js";
import type { Offer } from "./priceWatch.js";
import type { Quote } from "./queries.js";
import type { KnownPrice } from "./usePrice.js";
import { rateText } from "./words.js";

interface PricePanelProps {
  readonly price: KnownPrice;
  /** Who gets it; null for the user. */
  readonly receiver: string | null;
}

/** What an exchange costs, in words, and how long this price is valid. */
export function PricePanel({ price: { offer, isAsking, problem, isResting, again }, receiver }: PricePanelProps) {
  const canAsk = offer === null && !isAsking && (isResting || problem !== null);
  return (
    <div className="price">
      <div role="status">
        {offer?.isChanged === true && (
          <p className="price-changed">
            <Icon name="alert" /> The price has changed.
          </p>
        )}
        {offer !== null && <Cost quote={offer.quote} receiver={receiver} />}
        {offer === null && problem !== null && <p className="field-problem">{refusalText(problem)}</p>}
        {offer === null && problem === null && <p className="muted">{isResting ? "The time of the last price is over." : "Asking for the price…"}</p>}
      </div>
      {offer !== null && <Validity offer={offer} />}
      {canAsk && (
        <button type="button" className="button button-small" onClick={again}>
          Get a new price
        </button>
      )}
    </div>
  );
}

function Cost({ quote, receiver }: { readonly quote: Quote; readonly receiver: string | null }) {
  const { source, target, spread, total, fees, rate } = quote;
  return (
    <>
      <p className="price-cost">
        You pay <MoneyText money={source} />
        {fees.length > 0 && (
          <>
            {" "}
            and a fee, <MoneyText money={total} /> together
          </>
        )}
        .{" "}
        {!isZero(spread.amount) && (
          <>
            <MoneyText money={spread} /> of it is the spread.{" "}
          </>
        )}
        {receiver === null ? "You get" : <><bdi>{receiver}</bdi> gets</>} <MoneyText money={target} /> at <span className="price-rate">{rateText(rate)}</span>.
      </p>
      {fees.map((charge) => (
        <p key={charge.label} className="muted">
          <bdi>{chargeText(charge)}</bdi>
        </p>
      ))}
    </>
  );
}

/** The time that is left. Screen readers read it only when they come to it. */
function Validity({ offer: { quote, endsAt } }: { readonly offer: Offer }) {
  const left = useSecondsUntil(endsAt);
  const whole = (Date.parse(quote.expiresAt) - Date.parse(quote.createdAt)) / 1_000;
  return (
    <div className="price-validity">
      <svg className="life-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect className="life-track" width="100" height="6" />
        <rect className="life-fill" width={Math.min(100, (left / whole) * 100)} height="6" />
      </svg>
      <p className="muted">
        This price is valid for{" "}
        <span className="price-left" role="timer" aria-live="off">
          {left} s
        </span>
      </p>
    </div>
  );
}
