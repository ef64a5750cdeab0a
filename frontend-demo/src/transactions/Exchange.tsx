import { rateText } from "../fx/words.js";
import { isZero } from "../money/decimal.js";
import { MoneyText } from "../money/Money.js";
import { formatExact } from "../ui/time.js";
import type { LoadedTransaction } from "./queries.js";

type Conversion = NonNullable<LoadedTransaction["conversion"]>;

/** What an exchange sold and bought, at which rate, and what it cost. */
export function Exchange({ conversion }: { readonly conversion: Conversion }) {
  const { sold, bought, spread, residue, rate } = conversion;
  return (
    <section className="card stack" aria-labelledby="exchange">
      <h2 id="exchange">The exchange</h2>
      <p>
        <MoneyText money={sold} /> was sold, and <MoneyText money={bought} /> was bought.
      </p>
      <dl className="facts">
        <dt>Rate</dt>
        <dd>
          <span>
            {rateText(rate)}, from <bdi>{rate.source}</bdi>, valid since <time dateTime={rate.validFrom}>{formatExact(rate.validFrom)}</time>
          </span>
        </dd>
        <dt>Spread</dt>
        <dd>
          {isZero(spread.amount) ? (
            "None"
          ) : (
            <span>
              <MoneyText money={spread} /> of what was sold, the price of the exchange
            </span>
          )}
        </dd>
        <dt>Residue</dt>
        <dd>
          {isZero(residue.amount) ? (
            <span>None: nothing was left by rounding</span>
          ) : (
            <span>
              <MoneyText money={residue} /> was left by rounding, because no smaller amount of {sold.currency} buys exactly this
            </span>
          )}
        </dd>
      </dl>
    </section>
  );
}
