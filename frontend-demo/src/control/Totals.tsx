import { MoneyText } from "../money/Money.js";
import { Icon } from "../ui/Icon.js";
import type { LedgerStatus } from "./queries.js";

/** Per currency: what people hold, what the system wallets hold against it, and the difference, which is zero. */
export function Totals({ totals }: { readonly totals: LedgerStatus["totals"] }) {
  return (
    <section className="card table-card" aria-labelledby="totals">
      <h2 id="totals" className="table-title">
        Totals
      </h2>
      <div className="table-scroll" tabIndex={0} role="group" aria-labelledby="totals">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Currency</th>
              <th scope="col" className="number">
                People
              </th>
              <th scope="col" className="number">
                System
              </th>
              <th scope="col" className="number">
                Sum
              </th>
            </tr>
          </thead>
          <tbody>
            {totals.map(({ currency, userBalances, systemBalances, difference }) => {
              const isZero = /^-?0(\.0+)?$/.test(difference.amount);
              return (
                <tr key={currency}>
                  <th scope="row">{currency}</th>
                  <td className="number">
                    <MoneyText money={userBalances} />
                  </td>
                  <td className="number">
                    <MoneyText money={systemBalances} />
                  </td>
                  <td className={isZero ? "number total-good" : "number total-bad"}>
                    <MoneyText money={difference} />
                    <Icon name={isZero ? "check" : "alert"} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
