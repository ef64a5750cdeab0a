import { useExponent } from "../money/CurrenciesContext.js";
import { MoneyText } from "../money/Money.js";
import { decimalsOf, sum } from "../money/decimal.js";
import { Icon } from "../ui/Icon.js";
import type { LedgerStatus } from "./queries.js";

type Line = LedgerStatus["trialBalance"][number];

/** Per currency: the debits and credits of each type of account. Their sums are equal. */
export function TrialBalance({ lines }: { readonly lines: readonly Line[] }) {
  const currencies = [...new Set(lines.map(({ currency }) => currency))];
  return (
    <section className="card table-card" aria-labelledby="trial-balance">
      <h2 id="trial-balance" className="table-title">
        Trial balance
      </h2>
      {/* A wide table scrolls inside of its card, also by keyboard. */}
      <div className="table-scroll" role="group" aria-labelledby="trial-balance" tabIndex={0}>
        <table className="table trial-balance">
          <thead>
            <tr>
              <th scope="col">Account type</th>
              <th scope="col" className="number">
                Debit
              </th>
              <th scope="col" className="number">
                Credit
              </th>
            </tr>
          </thead>
          {currencies.map((currency) => (
            <CurrencyLines key={currency} currency={currency} lines={lines.filter((line) => line.currency === currency)} />
          ))}
        </table>
      </div>
    </section>
  );
}

function CurrencyLines({ currency, lines }: { readonly currency: string; readonly lines: readonly Line[] }) {
  const known = useExponent(currency);
  const exponent = known ?? Math.max(...lines.map(({ debit }) => decimalsOf(debit.amount)));
  const debit = sum(lines.map((line) => line.debit.amount), exponent);
  const credit = sum(lines.map((line) => line.credit.amount), exponent);
  const isEqual = debit === credit;
  return (
    <tbody>
      {lines.map((line) => (
        <tr key={line.accountType}>
          <th scope="row">
            {line.accountType.charAt(0) + line.accountType.slice(1).toLowerCase()} · {currency}
          </th>
          <td className="number">
            <MoneyText money={line.debit} />
          </td>
          <td className="number">
            <MoneyText money={line.credit} />
          </td>
        </tr>
      ))}
      <tr className="trial-sum">
        <th scope="row">
          <span className={isEqual ? "total-good" : "total-bad"}>
            <Icon name={isEqual ? "check" : "alert"} /> {isEqual ? "Equal" : "Not equal"} · {currency}
          </span>
        </th>
        <td className="number">
          <MoneyText money={{ amount: debit, currency }} />
        </td>
        <td className="number">
          <MoneyText money={{ amount: credit, currency }} />
        </td>
      </tr>
    </tbody>
  );
}
