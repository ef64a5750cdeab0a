import { MoneyText } from "../money/Money.js";
import { Icon } from "../ui/Icon.js";
import type { LedgerStatus } from "./queries.js";

/** Per currency: the sum of all balances, which is zero, of what people hold and what the system wallets hold against it. */
export function Totals({ totals }: { readonly totals: LedgerStatus["totals"] }) {
  return (
    <section className="card totals-card" aria-labelledby="totals">
      <h2 id="totals">Totals</h2>
      <ul className="totals">
        {totals.map(({ currency, userBalances, systemBalances, difference }) => {
          const isZero = /^-?0(\.0+)?$/.test(difference.amount);
          return (
            <li key={currency}>
              <h3 className="total-currency">{currency}</h3>
              <dl className="total">
                <dt>Sum</dt>
                <dd className={isZero ? "total-good" : "total-bad"}>
                  <MoneyText money={difference} />
                  <Icon name={isZero ? "check" : "alert"} />
                </dd>
                <dt>People</dt>
                <dd>
                  <MoneyText money={userBalances} />
                </dd>
                <dt>System</dt>
                <dd>
                  <MoneyText money={systemBalances} />
                </dd>
              </dl>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
