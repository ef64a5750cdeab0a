import { useId } from "react";
import { MoneyText } from "../money/Money.js";
import { ActivityRow } from "./ActivityRow.js";
import { dayTitle, type Day } from "./days.js";
import { keyOf, type Row } from "./rows.js";

interface DayGroupProps {
  readonly day: Day;
  readonly today: string;
  /** Whether each row says in which wallet it was. */
  readonly hasWallets?: boolean;
  readonly onOpen: (row: Row) => void;
}

/** A day's transactions below its name and what came in and went out. */
export function DayGroup({ day: { date, rows, subtotals, isPartial }, today, hasWallets = false, onOpen }: DayGroupProps) {
  const titleId = useId();
  return (
    <section className="day" aria-labelledby={titleId}>
      <div className="day-top">
        <h3 id={titleId}>{dayTitle(date, today)}</h3>
        {subtotals.length > 0 && (
          <p className="day-subtotals muted">
            {subtotals.map(({ currency, in: incoming, out }) => (
              <span key={currency}>
                {incoming !== null && <MoneyText money={incoming} direction="CREDIT" />} {out !== null && <MoneyText money={out} direction="DEBIT" />}
              </span>
            ))}
            {isPartial && <span className="day-partial"> in the {rows.length === 1 ? "one" : rows.length} shown</span>}
          </p>
        )}
      </div>
      <ul className="activity">
        {rows.map((row) => (
          <ActivityRow key={keyOf(row)} row={row} hasWallet={hasWallets} onOpen={onOpen} />
        ))}
      </ul>
    </section>
  );
}
