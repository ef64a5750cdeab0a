import { chipsOf, WORDS } from "./chips.js";
import { DIRECTIONS, isBackwards, NO_LIMITS, STATUSES, TYPES, type Filter } from "./filter.js";
import { isPeriod, periodsOf } from "./periods.js";
import { useToday } from "./useToday.js";

interface FiltersProps {
  readonly filter: Filter;
  readonly onChange: (filter: Filter) => void;
  readonly search: string;
  readonly onSearch: (search: string) => void;
}

/** The search, the periods, all other limits in a fold, and each limit that is set as a chip that removes it. */
export function Filters({ filter, onChange, search, onSearch }: FiltersProps) {
  const periods = periodsOf(useToday());
  return (
    <div className="filters" role="group" aria-label="Show only">
      <label className="filter filter-search">
        <span>Search</span>
        <input type="search" className="input" placeholder="Name, note, amount or id" value={search} onChange={(event) => onSearch(event.target.value)} />
      </label>
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
          <Choice label="Type" value={filter.type} choices={TYPES} onChange={(type) => onChange({ ...filter, type })} />
          <Choice label="Status" value={filter.status} choices={STATUSES} onChange={(status) => onChange({ ...filter, status })} />
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
