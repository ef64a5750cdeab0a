import { csvOf, downloadCsv } from "./csv.js";
import type { Row } from "./rows.js";

interface ListToolsProps {
  /** Of the file, without its end. */
  readonly name: string;
  readonly rows: readonly Row[];
  readonly status: string;
}

/** How much of the list is there, and the same rows as a file. */
export function ListTools({ name, rows, status }: ListToolsProps) {
  return (
    <div className="list-tools">
      <p className="muted" role="status">
        {status}
      </p>
      {rows.length > 0 && (
        <button type="button" className="button button-small" onClick={() => downloadCsv(csvOf(rows), `${name}.csv`)}>
          {rows.length === 1 ? "Save this one as CSV" : `Save these ${rows.length} as CSV`}
        </button>
      )}
    </div>
  );
}
