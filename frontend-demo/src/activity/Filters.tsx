import { DIRECTIONS, isBackwards, isNarrowed, NO_LIMITS, STATUSES, TYPES, type Filter } from "./filter.js";

const WORDS: Readonly<Record<string, string>> = {
  TRANSFER: "Transfers",
  DEPOSIT: "Deposits",
  COMPLETED: "Completed",
  FAILED: "Refused",
  PENDING: "Pending",
  CREDIT: "Money in",
  DEBIT: "Money out",
};

export function Filters({ filter, onChange }: { readonly filter: Filter; readonly onChange: (filter: Filter) => void }) {
  return (
    <div className="filters" role="group" aria-label="Show only">
      <Choice label="Type" value={filter.type} choices={TYPES} onChange={(type) => onChange({ ...filter, type })} />
      <Choice label="Status" value={filter.status} choices={STATUSES} onChange={(status) => onChange({ ...filter, status })} />
      <Choice label="Direction" value={filter.direction} choices={DIRECTIONS} onChange={(direction) => onChange({ ...filter, direction })} />
      <Day label="From" value={filter.from} onChange={(from) => onChange({ ...filter, from })} />
      <Day label="To" value={filter.to} onChange={(to) => onChange({ ...filter, to })} />
      {isNarrowed(filter) && (
        <button type="button" className="button button-small" onClick={() => onChange(NO_LIMITS)}>
          Show all
        </button>
      )}
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
