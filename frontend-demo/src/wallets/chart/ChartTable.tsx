import { useState } from "react";
import { fromMinor } from "../../money/decimal.js";
import { MoneyText } from "../../money/Money.js";
import { formatExact } from "../../ui/time.js";
import { rowsOf, type Step } from "./history.js";

interface ChartTableProps {
  readonly line: readonly Step[];
  readonly isSampled: boolean;
  readonly currency: string;
  readonly exponent: number;
}

const MOST_ROWS = 30;

/** The chart's balances as a table, for anyone who cannot or does not want to read a line. */
export function ChartTable({ line, isSampled, currency, exponent }: ChartTableProps) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details className="chart-table" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Balances as a table</summary>
      {isOpen && <Rows line={line} isSampled={isSampled} currency={currency} exponent={exponent} />}
    </details>
  );
}

function Rows({ line, isSampled, currency, exponent }: ChartTableProps) {
  const { rows, isComplete } = rowsOf(line, MOST_ROWS);
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label="Balances">
      <table className="table">
        <caption className="muted">
          {isComplete && !isSampled ? "Each change of the balance" : `The balance at ${rows.length} times`}, newest first
        </caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col" className="number">
              Balance
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ sequence, time, minor }) => (
            <tr key={`${sequence} ${time}`}>
              <td>{formatExact(new Date(time).toISOString())}</td>
              <td className="number">
                <MoneyText money={{ amount: fromMinor(minor, exponent), currency }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
