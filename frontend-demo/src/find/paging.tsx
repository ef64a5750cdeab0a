import { Fragment, useState, type ReactNode } from "react";
import type { CombinedError } from "@urql/core";
import { QueryFailed, Skeleton } from "../ui/Notice.js";

interface PagesProps {
  /** One page: from after this cursor, null for the first. `end` is what follows its rows. */
  readonly page: (after: string | null, end: (info: PageInfo) => ReactNode) => ReactNode;
  /** What is listed, such as "users". */
  readonly things: string;
}

export interface PageInfo {
  readonly hasNextPage: boolean;
  readonly endCursor: string | null;
}

/** A list page after page, each asked for when the one before it was seen. */
export function Pages({ page, things }: PagesProps) {
  const [cursors, setCursors] = useState<readonly (string | null)[]>([null]);
  const end = ({ hasNextPage, endCursor }: PageInfo): ReactNode =>
    hasNextPage &&
    endCursor !== null &&
    !cursors.includes(endCursor) && (
      <p className="found-more">
        <button type="button" className="button button-small" onClick={() => setCursors((known) => [...known, endCursor])}>
          Show more {things}
        </button>
      </p>
    );
  return cursors.map((after) => <Fragment key={after ?? "first"}>{page(after, end)}</Fragment>);
}

/** Instead of a page that is not there yet. */
export function NoPage({ error, again, label }: { readonly error: CombinedError | undefined; readonly again: () => void; readonly label: string }) {
  return <div className="found-none">{error === undefined ? <Skeleton label={label} /> : <QueryFailed error={error} onRetry={again} />}</div>;
}

/** A card with a heading and a list. */
export function Found({ id, title, children }: { readonly id: string; readonly title: string; readonly children: ReactNode }) {
  return (
    <section className="card table-card" aria-labelledby={id}>
      <h2 id={id} className="table-title">
        {title}
      </h2>
      {children}
    </section>
  );
}

export function Nothing({ children }: { readonly children: ReactNode }) {
  return (
    <p className="found-none muted" role="status">
      {children}
    </p>
  );
}
