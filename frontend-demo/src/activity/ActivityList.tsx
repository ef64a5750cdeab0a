import { useRef } from "react";
import type { FeedState } from "../live/feed.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { ActivityRow } from "./ActivityRow.js";
import { isNarrowed, type Filter } from "./filter.js";
import { useActivity } from "./useActivity.js";
import { useHeld } from "./useHeld.js";
import { useReached } from "./useReached.js";

interface ActivityListProps {
  readonly walletId: string;
  readonly filter: Filter;
  readonly feed: FeedState;
  readonly onShowAll: () => void;
}

export function ActivityList({ walletId, filter, feed, onShowAll }: ActivityListProps) {
  const { list, fresh, loadMore } = useActivity(walletId, filter, feed.arrivals);
  const { rows, hasMore, isLoading, error } = list;
  const top = useRef<HTMLDivElement>(null);
  const { shown, held } = useHeld(top, fresh);
  const end = useReached(loadMore);
  const count = shown.length + rows.length;
  return (
    <div className="card list-card">
      <div ref={top} className="list-top" />
      {held > 0 && (
        <button type="button" className="button button-primary new-rows" onClick={() => top.current?.scrollIntoView({ block: "center" })}>
          {held === 1 ? "1 new transaction" : `${held} new transactions`}
        </button>
      )}
      {count > 0 && (
        <ul className="activity" aria-label="Transactions, newest first" aria-busy={isLoading}>
          {shown.map((row) => (
            <ActivityRow key={row.id} row={row} />
          ))}
          {rows.map((row) => (
            <ActivityRow key={row.id} row={row} />
          ))}
        </ul>
      )}
      {error !== null && <QueryFailed error={error} onRetry={() => void loadMore()} />}
      {isLoading && <Skeleton label="Loading transactions" rows={count === 0 ? 6 : 2} />}
      {!isLoading && error === null && count === 0 && !hasMore && <Nothing filter={filter} onShowAll={onShowAll} />}
      {!isLoading && error === null && hasMore && count > 0 && (
        <button ref={end} type="button" className="button button-wide list-more" onClick={() => void loadMore()}>
          Show older ones
        </button>
      )}
      {!hasMore && count > 0 && <p className="list-end muted">That is all of them.</p>}
    </div>
  );
}

function Nothing({ filter, onShowAll }: { readonly filter: Filter; readonly onShowAll: () => void }) {
  if (!isNarrowed(filter)) {
    return <Empty icon="activity" title="No transactions here" />;
  }
  return (
    <Empty icon="activity" title="No transactions match">
      <button type="button" className="button button-small" onClick={onShowAll}>
        Show all
      </button>
    </Empty>
  );
}
