import { MoneyText } from "../money/Money.js";
import { Skeleton } from "../ui/Notice.js";
import { formatExact } from "../ui/time.js";
import { Files } from "./Files.js";
import { entryCount } from "./period.js";
import type { Statement } from "./queries.js";

const STATES = { PREPARING: "Being made", READY: "Ready", FAILED: "Failed" } as const;

/** One statement: its period, its sums, and its files as soon as they are made. */
export function StatementCard({ statement }: { readonly statement: Statement }) {
  const { id, number, status, from, to, opening, credits, debits, closing, problem, files } = statement;
  const count = entryCount(statement);
  return (
    <li className="card statement" aria-label={`Statement ${number}`}>
      <div className="statement-top">
        <h3>No. {number}</h3>
        <span className={`badge badge-${status === "READY" ? "good" : status === "FAILED" ? "bad" : "warning"}`} role="status">
          {STATES[status]}
        </span>
      </div>
      <p className="muted">
        <time dateTime={from}>{formatExact(from)}</time> – <time dateTime={to}>{formatExact(to)}</time>
      </p>
      <dl className="statement-sums">
        <div>
          <dt>Opening</dt>
          <dd>
            <MoneyText money={opening} />
          </dd>
        </div>
        {credits !== null && debits !== null && (
          <>
            <div>
              <dt>In</dt>
              <dd>
                <MoneyText money={credits} />
              </dd>
            </div>
            <div>
              <dt>Out</dt>
              <dd>
                <MoneyText money={debits} />
              </dd>
            </div>
          </>
        )}
        <div>
          <dt>Closing</dt>
          <dd>
            <MoneyText money={closing} />
          </dd>
        </div>
        <div>
          <dt>Entries</dt>
          <dd>{count.toLocaleString()}</dd>
        </div>
      </dl>
      {status === "PREPARING" && <Skeleton label="The files are being made" rows={2} />}
      {status === "FAILED" && <p className="field-problem">{problem ?? "It has no files."} The next statement opens where this one closed.</p>}
      {status === "READY" && <Files statementId={id} number={number} files={files} />}
    </li>
  );
}
