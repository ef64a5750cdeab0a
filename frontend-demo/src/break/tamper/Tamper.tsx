import "./tamper.css";
import { useState } from "react";
import { Link } from "wouter";
import { demoAccount } from "../../session/account.js";
import { useSecondsUntil } from "../../ui/useSecondsUntil.js";
import { Verdict } from "../Verdict.js";
import type { Cast } from "../cast.js";
import { useTampering, type Outsider, type Tampered, type Tampering, type Verified } from "./useTampering.js";

const TRICKS = [
  ["amount", "Multiply what somebody was paid by ten"],
  ["words", "Rewrite what a payment was for"],
  ["time", "Move a payment to the next month"],
] as const;

/** Changes history by SQL, as a superuser who switches the triggers off, and shows who notices. Only with the embedded database. */
export function Tamper({ cast }: { readonly cast: Cast }) {
  const admin = demoAccount(cast.admin);
  const tampering = useTampering(admin);
  const [what, setWhat] = useState<string>("amount");
  const { isRunning, isPossible, tampered, restored, problem } = tampering;
  const isChanged = tampered !== null && restored === null;
  return (
    <section className="card stack" aria-labelledby="tamper">
      <h2 id="tamper">Rewrite history</h2>
      <p className="muted">
        As {cast.admin.display_name}, change a row of the newest signed payment in PostgreSQL itself: as its superuser, with all triggers switched off. The
        service cannot prevent that. But anybody can notice it, and the row comes back.
      </p>
      <div className="tamper-form">
        <div className="field">
          <label htmlFor="tamper-what">What to change</label>
          <select id="tamper-what" className="select" value={what} disabled={!isPossible || isChanged} onChange={(event) => setWhat(event.target.value)}>
            {TRICKS.map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </div>
        <button type="button" className="button button-danger" disabled={!isPossible || isRunning} onClick={isChanged ? tampering.restore : () => tampering.tamper(what)}>
          {isChanged ? "Restore the row" : "Tamper with it"}
        </button>
      </div>
      {!isPossible && (
        <p className="muted">
          Only the embedded database of <code>make run</code> can be tampered with.
        </p>
      )}
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      {tampered !== null && <Found tampering={tampering} tampered={tampered} />}
    </section>
  );
}

function Found({ tampering: { restored, verified, verifiedAgain, outsider }, tampered }: { readonly tampering: Tampering; readonly tampered: Tampered }) {
  return (
    <ol className="tamper-steps" aria-label="What happened">
      <li>
        <h3>The row, and the SQL that changed it</h3>
        <pre tabIndex={0} aria-label="The SQL">
          {tampered.sql}
        </pre>
        <RowTable tampered={tampered} restored={restored} />
        <p>
          <Link href={`/transactions/${tampered.transaction_id}`}>The payment</Link>
          {restored === null && <Countdown until={tampered.restores_at} />}
        </p>
      </li>
      <li>
        <h3>An outsider with the log’s public key, checked in this browser</h3>
        {outsider === null ? <Verdict holds={null}>Checking the receipts…</Verdict> : <OutsiderView outsider={outsider} />}
      </li>
      <li>
        <h3>
          <code>paycore verify</code>, over the whole ledger
        </h3>
        {verified === null ? <Verdict holds={null}>Verifying…</Verdict> : <Findings verified={verified} expectsSome />}
      </li>
      {restored !== null && (
        <li>
          <h3>The row is restored, and verified again</h3>
          {verifiedAgain === null ? <Verdict holds={null}>Verifying…</Verdict> : <Findings verified={verifiedAgain} expectsSome={false} />}
        </li>
      )}
    </ol>
  );
}

function Countdown({ until }: { readonly until: string }) {
  const seconds = useSecondsUntil(Date.parse(until));
  return <span className="muted"> {seconds > 0 ? `The row comes back by itself in ${seconds} s.` : "The row is coming back."}</span>;
}

function RowTable({ tampered: { table, column, before, after }, restored }: { readonly tampered: Tampered; readonly restored: Tampered["before"] | null }) {
  const columns = Object.keys(before).filter((name) => before[name] !== null || after[name] !== null);
  return (
    // Scrollable, so it has to be reachable by keyboard.
    <div className="table-scroll tamper-row" tabIndex={0} role="group" aria-label={`The row of ${table}`}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">{table}</th>
            <th scope="col">before</th>
            <th scope="col">after</th>
            {restored !== null && <th scope="col">restored</th>}
          </tr>
        </thead>
        <tbody>
          {[column, ...columns.filter((name) => name !== column)].map((name) => (
            <tr key={name} className={name === column ? "tamper-changed" : undefined}>
              <th scope="row">{name}</th>
              <td>{textOf(before[name])}</td>
              <td>{textOf(after[name])}</td>
              {restored !== null && <td>{textOf(restored[name])}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function OutsiderView({ outsider: { kept, now } }: { readonly outsider: Outsider }) {
  return (
    <>
      <Verdict holds={kept.kind === "proved"}>
        {kept.kind === "proved" ? "The receipt from before is valid: it still proves what the row was." : `The receipt from before: ${kept.reason}.`}
      </Verdict>
      {now !== null && now.kind !== "cannot" && (
        <Verdict holds={now.kind === "refused"}>
          {now.kind === "refused" ? `The receipt that the service gives now is not valid: ${now.reason}.` : "The receipt that the service gives now is valid: nobody would notice."}
        </Verdict>
      )}
      {now === null && <Verdict holds={null}>The service gives no receipt now.</Verdict>}
    </>
  );
}

function Findings({ verified: { findings, seconds }, expectsSome }: { readonly verified: Verified; readonly expectsSome: boolean }) {
  return (
    <>
      <Verdict holds={findings.length > 0 === expectsSome}>
        {findings.length === 0 ? "No finding" : `${findings.length} ${findings.length === 1 ? "finding" : "findings"}`} in {seconds} s.
      </Verdict>
      <ul className="tamper-findings">
        {findings.map((finding) => (
          <li key={finding}>{finding}</li>
        ))}
      </ul>
    </>
  );
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? "—" : typeof value === "string" ? value : JSON.stringify(value);
}
