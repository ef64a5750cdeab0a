import { useEffect, useEffectEvent, useId, useState } from "react";
import { chipsOf, WORDS } from "./chips.js";
import { DIRECTIONS, isBackwards, NO_LIMITS, STATUSES, TYPES, type Filter } from "./filter.js";
import { isPeriod, periodsOf } from "./periods.js";
import { LONGEST_SEARCH } from "./searchText.js";
import { useToday } from "./useToday.js";

interface FiltersProps {
  readonly filter: Filter;
  readonly canSearch: boolean;
  /** Whether the list has entries. They have no status, and are of any type. */
  readonly isOfEntries: boolean;
  readonly onChange: (filter: Filter) => void;
}

/** The search, the periods, all other limits in a fold, and each limit that is set as a chip that removes it. */
export function Filters({ filter, canSearch, isOfEntries, onChange }: FiltersProps) {
  const periods = periodsOf(useToday());
  return (
    <div className="filters" role="group" aria-label="Show only">
      {canSearch && <SearchField filter={filter} onChange={onChange} />}
      <div className="periods" role="group" aria-label="Period">
        {periods.map((period) => {
          const isOn = isPeriod(filter, period);
          const { from, to } = isOn ? NO_LIMITS : period;
          return (
            <button key={period.label} type="button" className="pill" aria-pressed={isOn} onClick={() => onChange({ ...filter, from, to })}>
              {period.label}
            </button>
          );
        })}
      </div>
      <details className="more-filters">
        <summary>More filters</summary>
        <div className="more-filters-fields">
          {!isOfEntries && (
            <>
              <Choice label="Type" value={filter.type} choices={TYPES} onChange={(type) => onChange({ ...filter, type })} />
              <Choice label="Status" value={filter.status} choices={STATUSES} onChange={(status) => onChange({ ...filter, status })} />
            </>
          )}
          <Choice label="Direction" value={filter.direction} choices={DIRECTIONS} onChange={(direction) => onChange({ ...filter, direction })} />
          <Day label="From" value={filter.from} onChange={(from) => onChange({ ...filter, from })} />
          <Day label="To" value={filter.to} onChange={(to) => onChange({ ...filter, to })} />
        </div>
      </details>
      <Chips filter={filter} onChange={onChange} />
      {isBackwards(filter) && (
        <p className="field-problem filters-problem" role="alert">
          “From” is after “To”, so no day is left.{" "}
          <button type="button" className="button button-small" onClick={() => onChange({ ...filter, from: filter.to, to: filter.from })}>
            Exchange the two days
          </button>
        </p>
      )}
    </div>
  );
}

const SETTLE_MILLISECONDS = 250;

/** What is typed goes into the address once the typing rests. */
function SearchField({ filter, onChange }: Pick<FiltersProps, "filter" | "onChange">) {
  const [typed, setTyped] = useState(filter.q);
  const [written, setWritten] = useState(filter.q);
  const hintId = useId();
  if (written !== filter.q) {
    // Changed from outside: by a link, by Back, or by "Show all".
    setWritten(filter.q);
    setTyped(filter.q);
  }
  const write = useEffectEvent(() => {
    setWritten(typed);
    // Entries have no status and are of any type.
    onChange({ ...filter, q: typed, ...(typed.trim() === "" ? {} : { type: "", status: "" }) });
  });
  useEffect(() => {
    if (typed === filter.q) {
      return undefined;
    }
    const timer = setTimeout(write, SETTLE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [typed, filter.q]);
  return (
    <div className="filter filter-search">
      <label htmlFor={`${hintId}-search`}>Search</label>
      <input
        id={`${hintId}-search`}
        type="search"
        className="input"
        placeholder="Name, note, reference or amount"
        maxLength={LONGEST_SEARCH}
        value={typed}
        aria-describedby={hintId}
        onChange={(event) => setTyped(event.target.value)}
      />
      <p id={hintId} className="muted filter-hint">
        Words may be begun: <code>rent bo</code>. Amounts: <code>12.50</code>, <code>&gt;100</code>, <code>10..20</code>. Metadata: <code>order=17</code>.
      </p>
    </div>
  );
}

function Chips({ filter, onChange }: Pick<FiltersProps, "filter" | "onChange">) {
  const chips = chipsOf(filter);
  return (
    chips.length > 0 && (
      <ul className="limits" aria-label="Limits of the list">
        {chips.map(({ label, without }) => (
          <li key={label}>
            <button type="button" className="limit" aria-label={`Remove the limit ${label}`} onClick={() => onChange(without)}>
              {label} <span aria-hidden="true">×</span>
            </button>
          </li>
        ))}
        <li>
          <button type="button" className="button button-small" onClick={() => onChange(NO_LIMITS)}>
            Show all
          </button>
        </li>
      </ul>
    )
  );
}

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, choices, onChange }: FieldProps & { readonly choices: readonly string[] }) {
  return (
    <label className="filter">
      <span>{label}</span>
      <select className="select" value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">All</option>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {WORDS[choice]}
          </option>
        ))}
      </select>
    </label>
  );
}

function Day({ label, value, onChange }: FieldProps) {
  return (
    <label className="filter">
      <span>{label}</span>
      <input type="date" className="input" value={value} onChange={(event) => onChange(event.target.value)} />
    </label>
  );
}
