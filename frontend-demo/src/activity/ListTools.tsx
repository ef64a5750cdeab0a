import { csvOf, downloadCsv } from "./csv.js";
import type { Row } from "./rows.js";

interface ListToolsProps {
  readonly walletId: string;
  readonly found: readonly Row[];
  /** How many rows there are without the search. */
  readonly loaded: number;
  readonly hasMore: boolean;
  readonly isSearch: boolean;
}

/** How much of the list is there, and the same rows as a file. */
export function ListTools({ walletId, found, loaded, hasMore, isSearch }: ListToolsProps) {
  return (
    <div className="list-tools">
      <p className="muted" role="status">
        {isSearch && foundText(found.length, loaded, hasMore)}
      </p>
      {found.length > 0 && (
        <button type="button" className="button button-small" onClick={() => downloadCsv(csvOf(found), `${walletId}.csv`)}>
          {found.length === 1 ? "Save this one as CSV" : `Save these ${found.length} as CSV`}
        </button>
      )}
    </div>
  );
}

/** A search sees only the rows that are loaded. */
function foundText(found: number, loaded: number, hasMore: boolean): string {
  return hasMore ? `${found} of the newest ${loaded}. Older ones are not searched yet.` : `${found} of all ${loaded}.`;
}
