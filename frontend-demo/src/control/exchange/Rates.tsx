import { rateText } from "../../fx/words.js";
import { formatAge, useClock } from "../../live/Banner.js";
import { Empty } from "../../ui/Notice.js";
import { formatExact } from "../../ui/time.js";
import type { FxRate } from "./queries.js";
import { spreadText } from "./rate.js";

/** The rate between each two currencies, with its spread, its source and its age. */
export function Rates({ rates }: { readonly rates: readonly FxRate[] }) {
  const now = useClock(rates.length > 0);
  if (rates.length === 0) {
    return (
      <Empty icon="swap" title="No rates">
        <p className="muted">Nothing can be exchanged until a rate is set.</p>
      </Empty>
    );
  }
  return (
    <div className="table-scroll" role="group" aria-label="Rates" tabIndex={0}>
      <table className="table exchange-table">
        <thead>
          <tr>
            <th scope="col">Rate</th>
            <th scope="col" className="number">
              Spread
            </th>
            <th scope="col">Source</th>
            <th scope="col" className="number">
              Age
            </th>
          </tr>
        </thead>
        <tbody>
          {rates.map((rate) => (
            <tr key={`${rate.base} ${rate.quote}`}>
              <th scope="row" className="price-rate">
                {rateText(rate)}
              </th>
              <td className="number">{spreadText(rate.spreadBasisPoints)}</td>
              <td>
                <bdi>{rate.source}</bdi>
              </td>
              <td className="number">
                <time dateTime={rate.validFrom} title={formatExact(rate.validFrom)}>
                  {ageText(now - Date.parse(rate.validFrom))}
                </time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const HOUR = 3_600_000;

/** Such as "12 s", "3 min", "5 h" or "2 d". */
export function ageText(milliseconds: number): string {
  const age = Math.max(0, milliseconds);
  if (age < 2 * HOUR) {
    return formatAge(age);
  }
  return age < 48 * HOUR ? `${Math.floor(age / HOUR)} h` : `${Math.floor(age / (24 * HOUR))} d`;
}
