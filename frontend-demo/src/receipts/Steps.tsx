import type { ReactNode } from "react";
import { Icon } from "../ui/Icon.js";
import type { Outcome, Verification } from "./useVerification.js";
import type { Fields, Proved, Step } from "./verify.js";

const NAMES: Readonly<Record<Step["of"], string>> = {
  fields: "The fields of its canonical bytes",
  leaf: "The leaf’s hash",
  path: "The path to the root",
  signature: "The signature of the checkpoint",
};
const ORDER = ["fields", "leaf", "path", "signature"] as const;

/** What was checked, step by step, up to the one that failed. */
export function Steps({ found }: { readonly found: Verification }) {
  const done = new Map(found.steps.map((step) => [step.of, step]));
  const failedAt = found.outcome === null || found.outcome.kind === "proved" ? null : ORDER.find((of) => !done.has(of));
  return (
    <ol className="proof-steps" aria-label="What was checked">
      {ORDER.map((of) => {
        const step = done.get(of);
        return step === undefined ? (
          <NotDone key={of} name={NAMES[of]} outcome={of === failedAt ? found.outcome : null} />
        ) : (
          <li key={of} className="proof-step proof-step-good">
            <Icon name="check" />
            <div>
              <p className="proof-name">
                {NAMES[of]} <span className="visually-hidden">: right</span>
              </p>
              <StepFacts step={step} />
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function NotDone({ name, outcome }: { readonly name: string; readonly outcome: Outcome | null }) {
  const isRefused = outcome?.kind === "refused";
  return (
    <li className={isRefused ? "proof-step proof-step-bad" : "proof-step"}>
      <Icon name={isRefused ? "cross" : "activity"} />
      <div>
        <p className="proof-name">{name}</p>
        <p className="muted">{outcome === null || outcome.kind === "proved" ? "Not checked." : `${outcome.reason}.`}</p>
      </div>
    </li>
  );
}

function StepFacts({ step }: { readonly step: Step }) {
  switch (step.of) {
    case "fields":
      return (
        <>
          <p className="muted">{step.bytes} bytes, each field with its length before it. What the receipt opens fits its commitments.</p>
          <Opened proved={step} />
        </>
      );
    case "leaf":
      return (
        <p className="muted">
          SHA-256 of a zero byte and the bytes: <Hash>{step.hash}</Hash>
        </p>
      );
    case "path":
      return (
        <>
          <p className="muted">
            {step.nodes.length} hashes lead from the leaf to the root of {step.logSize} leaves. The checkpoint has the same root.
          </p>
          <details>
            <summary>Each node on the way</summary>
            <ol className="proof-nodes" aria-label="Nodes from the leaf to the root">
              {step.nodes.map((node) => (
                <li key={node}>
                  <Hash>{node}</Hash>
                </li>
              ))}
            </ol>
          </details>
        </>
      );
    case "signature":
      return (
        <p className="muted">
          Ed25519, of <bdi>{step.origin}</bdi>, by the key <Hash>{step.key}</Hash>
        </p>
      );
  }
}

function Opened({ proved: { transaction, words, request, entries } }: { readonly proved: Omit<Proved, "index" | "logSize"> }) {
  const closed = [...(words === undefined ? ["words"] : []), ...(request === undefined ? ["request"] : [])];
  return (
    <details>
      <summary>Each field</summary>
      <FieldList fields={transaction} label="Transaction" />
      {words !== undefined && <FieldList fields={words} label="Words" />}
      {request !== undefined && <FieldList fields={request} label="Request" />}
      {entries.map((entry) => (
        <FieldList key={entry["leg"]} fields={entry} label={`Entry ${entry["sequence"] ?? ""}`} />
      ))}
      {closed.length > 0 && <p className="muted">Not opened for you, or there are none: {closed.join(", ")}. Amounts are in minor units.</p>}
      {closed.length === 0 && <p className="muted">Amounts are in minor units.</p>}
    </details>
  );
}

function FieldList({ fields, label }: { readonly fields: Fields; readonly label: string }) {
  return (
    <>
      <h3 className="proof-heading">{label}</h3>
      <dl className="facts proof-fields">
        {Object.entries(fields).map(([name, value]) => (
          <div key={name} className="proof-field">
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>{value === null ? <span className="muted">none</span> : <bdi>{value}</bdi>}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Hash({ children }: { readonly children: ReactNode }) {
  return <code className="proof-hash">{children}</code>;
}
