import { useMemo, useRef, useState } from "react";
import type { FeedState } from "../live/feed.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { DayGroup } from "./DayGroup.js";
import { Details } from "./Details.js";
import { ListTools } from "./ListTools.js";
import { Nothing } from "./Nothing.js";
import { daysOf } from "./days.js";
import { isNarrowed, type Filter } from "./filter.js";
import type { Row } from "./rows.js";
import { useActivity } from "./useActivity.js";
import { useHeld } from "./useHeld.js";
import { useReached } from "./useReached.js";
import { useToday } from "./useToday.js";

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
  const today = useToday();
  const [opened, setOpened] = useState<Row | null>(null);
  const loaded = useMemo(() => [...shown, ...rows], [shown, rows]);
  const days = useMemo(() => daysOf(loaded, held > 0, hasMore), [loaded, held, hasMore]);
  const isReady = !isLoading && error === null;
  return (
    <>
      <ListTools name={walletId} rows={loaded} status="" />
      <div className="card list-card">
        <div ref={top} className="list-top" />
        {held > 0 && (
          <button type="button" className="button button-primary new-rows" onClick={() => top.current?.scrollIntoView({ block: "center" })}>
            {held === 1 ? "1 new transaction" : `${held} new transactions`}
          </button>
        )}
        {loaded.length > 0 && (
          <div role="group" aria-label="Transactions, newest first" aria-busy={isLoading}>
            {days.map((day) => (
              <DayGroup key={day.date} day={day} today={today} onOpen={setOpened} />
            ))}
          </div>
        )}
        {error !== null && <QueryFailed error={error} onRetry={() => void loadMore()} />}
        {isLoading && <Skeleton label="Loading transactions" rows={loaded.length === 0 ? 6 : 2} />}
        {isReady && loaded.length === 0 && !hasMore && (
          <Nothing isNarrowed={isNarrowed(filter)} onShowAll={onShowAll}>
            <Empty icon="activity" title="No transactions here" />
          </Nothing>
        )}
        {isReady && hasMore && loaded.length > 0 && (
          <button ref={end} type="button" className="button button-wide list-more" onClick={() => void loadMore()}>
            Show older ones
          </button>
        )}
        {!hasMore && loaded.length > 0 && <p className="list-end muted">That is all of them.</p>}
      </div>
      {opened !== null && <Details row={opened} walletId={walletId} onClose={() => setOpened(null)} />}
    </>
  );
}
