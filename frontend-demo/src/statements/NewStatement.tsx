import { useId, useState, type SyntheticEvent } from "react";
import { serverNow } from "../live/serverClock.js";
import { formatExact } from "../ui/time.js";
import { daysBetween, endsOf, monthLabel, type End } from "./period.js";
import { useNewStatement } from "./useNewStatement.js";

interface NewStatementProps {
  readonly walletId: string;
  /** Where the next statement begins. */
  readonly from: string;
  readonly isFirst: boolean;
  readonly onMade: () => void;
}

/** The form of the next statement. Only its end is a choice. */
export function NewStatement({ walletId, from: known, isFirst, onMade }: NewStatementProps) {
  const { make, again, problem, expectedFrom, isSending } = useNewStatement(walletId, onMade);
  const from = expectedFrom ?? known;
  const ends = endsOf(from, serverNow());
  const [chosen, setChosen] = useState<End | null>(null);
  const [day, setDay] = useState("");
  const id = useId();
  const end = chosen !== null && ends.includes(chosen) ? chosen : (ends[0] ?? "now");
  const days = daysBetween(from, serverNow());
  const labels: Readonly<Record<End, string>> = {
    month: monthLabel(from, serverNow()),
    now: "Until now",
    day: "Until a day of your choice",
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    make({ from, end, day });
  };
  return (
    <form className="card stack new-statement" aria-labelledby={`${id}-title`} onSubmit={submit} noValidate>
      <h2 id={`${id}-title`}>{isFirst ? "The first statement" : "The next statement"}</h2>
      <p>
        {isFirst ? "It begins with the wallet’s first month: " : "It begins where the last one ended: "}
        <time dateTime={from}>{formatExact(from)}</time>
      </p>
      <fieldset className="choices">
        <legend>Period</legend>
        {ends.map((each) => (
          <label key={each} className="choice">
            <input type="radio" name={`${id}-end`} checked={each === end} onChange={() => setChosen(each)} />
            <span>{labels[each]}</span>
          </label>
        ))}
      </fieldset>
      {end === "day" && (
        <div className="field">
          <label htmlFor={`${id}-day`}>Last day</label>
          <input id={`${id}-day`} type="date" className="input" min={days.first} max={days.last} value={day} aria-describedby={`${id}-problem`} onChange={(event) => setDay(event.target.value)} />
        </div>
      )}
      {problem !== null && (
        <p id={`${id}-problem`} className="field-problem" role="alert">
          {problem}
        </p>
      )}
      <div className="form-actions">
        {again === null ? (
          <button type="submit" className="button button-primary" disabled={isSending}>
            Make the statement
          </button>
        ) : (
          <button type="button" className="button button-primary" disabled={isSending} onClick={again}>
            Ask again
          </button>
        )}
      </div>
    </form>
  );
}
