import { MoneyText } from "../../money/Money.js";
import type { LedgerStatus } from "../queries.js";

type Fx = LedgerStatus["fx"];

/** What exchanges have bought and sold of each currency, what that is worth now, and what they earned. */
export function Positions({ fx: { baseCurrency, positions, unrealised } }: { readonly fx: Fx }) {
  if (positions.length === 0) {
    return <p className="muted exchange-note">Nothing has been exchanged yet.</p>;
  }
  return (
    <>
      <div className="table-scroll" role="group" aria-label="Positions" tabIndex={0}>
        <table className="table exchange-table">
          <thead>
            <tr>
              <th scope="col">Position</th>
              <th scope="col" className="number">
                Held
              </th>
              <th scope="col" className="number">
                Limit
              </th>
              <th scope="col" className="number">
                In {baseCurrency}
              </th>
              <th scope="col" className="number">
                Spread earned
              </th>
              <th scope="col" className="number">
                Residue
              </th>
            </tr>
          </thead>
          <tbody>
            {positions.map((one) => (
              <tr key={one.currency}>
                <th scope="row">{one.currency}</th>
                <td className="number">
                  <MoneyText money={one.position} />
                </td>
                <td className="number">{one.limit === null ? "None" : <MoneyText money={one.limit} />}</td>
                <td className="number">{one.value === null ? "No rate" : <MoneyText money={one.value} />}</td>
                <td className="number">
                  <MoneyText money={one.spreadEarned} />
                </td>
                <td className="number">
                  <MoneyText money={one.residue} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="exchange-note">
        {unrealised === null ? (
          "The gain or loss is not known: a currency has no rate."
        ) : (
          <>
            {unrealised.amount.startsWith("-") ? "Unrealised loss" : "Unrealised gain"} at the present rates: <MoneyText money={unrealised} />
          </>
        )}
      </p>
    </>
  );
}
