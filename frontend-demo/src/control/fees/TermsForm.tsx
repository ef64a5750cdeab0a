import { useRef, useState, type InputHTMLAttributes, type SyntheticEvent } from "react";
import { useCurrencies } from "../../money/CurrenciesContext.js";
import { amountPlaceholder } from "../../money/input.js";
import { lengthLimit } from "../../ui/lengthLimit.js";
import type { PublishInput } from "./queries.js";
import { readTerms, type Field, type Problems, type TypedTerms } from "./terms.js";

interface TermsFormProps {
  readonly typed: TypedTerms;
  /** Of the last try to publish it. */
  readonly problem: string | null;
  readonly onChange: (typed: TypedTerms) => void;
  readonly onDone: (wanted: Omit<PublishInput, "idempotencyKey">) => void;
}

export function TermsForm({ typed, problem, onChange, onDone }: TermsFormProps) {
  const currencies = useCurrencies();
  const exponent = currencies.get(typed.currency)?.exponent ?? 2;
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const read = readTerms(typed, exponent);
    if ("problems" in read) {
      setProblems(read.problems);
      const first = [...(form.current?.querySelectorAll<HTMLElement>("[id^=fee-]") ?? [])].find(({ id }) => id.slice(4) in read.problems);
      first?.focus();
    } else {
      onDone(read);
    }
  };
  const field = (name: Field, label: string, more: InputHTMLAttributes<HTMLInputElement> = {}) => (
    <TextField name={name} label={label} value={typed[name]} problem={problems[name] ?? null} onChange={(value) => onChange({ ...typed, [name]: value })} more={more} />
  );
  const amount = { inputMode: "decimal", placeholder: amountPlaceholder(exponent) } as const;
  return (
    <form ref={form} className="stack" onSubmit={submit} noValidate>
      {field("name", "Name", { maxLength: lengthLimit(100), required: true })}
      <div className="fee-fields">
        <div className="field">
          <label htmlFor="fee-currency">Currency</label>
          <select id="fee-currency" className="select" value={typed.currency} onChange={(event) => onChange({ ...typed, currency: event.target.value })}>
            {[...currencies.values()].map(({ code, name }) => (
              <option key={code} value={code}>
                {code} · {name}
              </option>
            ))}
          </select>
        </div>
        <div className="field">
          <label htmlFor="fee-payer">Paid by</label>
          <select id="fee-payer" className="select" value={typed.payer} onChange={(event) => onChange({ ...typed, payer: event.target.value === "RECEIVER" ? "RECEIVER" : "SENDER" })}>
            <option value="SENDER">The sender</option>
            <option value="RECEIVER">The receiver</option>
          </select>
        </div>
        {field("percent", "Percent", { inputMode: "decimal" })}
        {field("flat", "Flat amount", amount)}
        {field("minimum", "Minimum", amount)}
        {field("maximum", "Maximum", amount)}
      </div>
      <p className="muted fee-note">Leave percent and flat amount empty for no fee.</p>
      {field("validFrom", "Valid from (empty: at once)", { type: "datetime-local" })}
      {field("reason", "Reason", { maxLength: lengthLimit(280), required: true })}
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

interface TextFieldProps {
  readonly name: Field;
  readonly label: string;
  readonly value: string;
  readonly problem: string | null;
  readonly onChange: (value: string) => void;
  readonly more: InputHTMLAttributes<HTMLInputElement>;
}

function TextField({ name, label, value, problem, onChange, more }: TextFieldProps) {
  const id = `fee-${name}`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} className="input" autoComplete="off" value={value} aria-invalid={problem !== null} aria-describedby={`${id}-problem`} onChange={(event) => onChange(event.target.value)} {...more} />
      <p id={`${id}-problem`} className="field-problem" hidden={problem === null}>
        {problem}
      </p>
    </div>
  );
}
