import { useRef, useState, type InputHTMLAttributes, type SyntheticEvent } from "react";
import { useCurrencies } from "../../money/CurrenciesContext.js";
import { lengthLimit } from "../../ui/lengthLimit.js";
import type { RateInput } from "./queries.js";
import { readRate, type Field, type Problems, type TypedRate } from "./rate.js";

interface RateFormProps {
  readonly typed: TypedRate;
  /** Of the last try to set it. */
  readonly problem: string | null;
  readonly onChange: (typed: TypedRate) => void;
  readonly onDone: (input: RateInput) => void;
}

export function RateForm({ typed, problem, onChange, onDone }: RateFormProps) {
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const read = readRate(typed);
    if ("problems" in read) {
      setProblems(read.problems);
      const first = [...(form.current?.querySelectorAll<HTMLElement>("[id^=rate-]") ?? [])].find(({ id }) => id.slice(5) in read.problems);
      first?.focus();
    } else {
      onDone(read.input);
    }
  };
  const field = (name: Exclude<Field, "quote">, label: string, more: InputHTMLAttributes<HTMLInputElement> = {}) => (
    <div className="field">
      <label htmlFor={`rate-${name}`}>{label}</label>
      <input
        id={`rate-${name}`}
        className="input"
        autoComplete="off"
        value={typed[name]}
        aria-invalid={problems[name] !== undefined}
        aria-describedby={`rate-${name}-problem`}
        onChange={(event) => onChange({ ...typed, [name]: event.target.value })}
        {...more}
      />
      <p id={`rate-${name}-problem`} className="field-problem" hidden={problems[name] === undefined}>
        {problems[name]}
      </p>
    </div>
  );
  return (
    <form ref={form} className="stack" onSubmit={submit} noValidate>
      <div className="rate-fields">
        <CurrencyField name="base" label="One unit of" typed={typed} onChange={onChange} problem={null} />
        <CurrencyField name="quote" label="costs, in" typed={typed} onChange={onChange} problem={problems.quote ?? null} />
        {field("rate", "Rate", { inputMode: "decimal", placeholder: "0.92" })}
        {field("spread", "Spread in percent", { inputMode: "decimal" })}
      </div>
      {field("source", "Source, shown to users", { maxLength: lengthLimit(100) })}
      {field("reason", "Reason", { maxLength: lengthLimit(280) })}
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="button button-primary">
        Continue
      </button>
    </form>
  );
}

interface CurrencyFieldProps extends Pick<RateFormProps, "typed" | "onChange"> {
  readonly name: "base" | "quote";
  readonly label: string;
  readonly problem: string | null;
}

function CurrencyField({ name, label, typed, problem, onChange }: CurrencyFieldProps) {
  const currencies = useCurrencies();
  return (
    <div className="field">
      <label htmlFor={`rate-${name}`}>{label}</label>
      <select
        id={`rate-${name}`}
        className="select"
        value={typed[name]}
        aria-describedby={`rate-${name}-problem`}
        onChange={(event) => onChange({ ...typed, [name]: event.target.value })}
      >
        {[...currencies.values()].map(({ code, name: full }) => (
          <option key={code} value={code}>
            {code} · {full}
          </option>
        ))}
      </select>
      <p id={`rate-${name}-problem`} className="field-problem" hidden={problem === null}>
        {problem}
      </p>
    </div>
  );
}
