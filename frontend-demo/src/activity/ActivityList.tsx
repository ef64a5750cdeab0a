import { useMemo, useRef, useState } from "react";
import type { FeedState } from "../live/feed.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { DayGroup } from "./DayGroup.js";
import { Details } from "./Details.js";
import { ListTools } from "./ListTools.js";
import { daysOf } from "./days.js";
import { isNarrowed, type Filter } from "./filter.js";
import type { Row } from "./rows.js";
import { isFound, wordsOf } from "./search.js";
import { useActivity } from "./useActivity.js";
import { useHeld } from "./useHeld.js";
import { useReached } from "./useReached.js";
import { useToday } from "./useToday.js";

interface ActivityListProps {
  readonly walletId: string;
  readonly filter: Filter;
  readonly search: string;
  readonly feed: FeedState;
  readonly onShowAll: () => void;
}

/** How many pages of older transactions one press loads for a search. */
const SEARCHED_PAGES = 4;

export function ActivityList({ walletId, filter, search, feed, onShowAll }: ActivityListProps) {
  const { list, fresh, loadMore } = useActivity(walletId, filter, feed.arrivals);
  const { rows, hasMore, isLoading, error } = list;
  const top = useRef<HTMLDivElement>(null);
  const { shown, held } = useHeld(top, fresh);
  const end = useReached(loadMore);
  const today = useToday();
  const [opened, setOpened] = useState<Row | null>(null);
  const loaded = useMemo(() => [...shown, ...rows], [shown, rows]);
  const words = useMemo(() => wordsOf(search), [search]);
  const found = useMemo(() => (words.length === 0 ? loaded : loaded.filter((row) => isFound(row, words))), [loaded, words]);
  const days = useMemo(() => daysOf(found, held > 0, hasMore), [found, held, hasMore]);
  const isSearch = words.length > 0;
  const searchOlder = async (): Promise<void> => {
    for (let page = 0; page < SEARCHED_PAGES; page += 1) {
      await loadMore();
    }
  };
  const isReady = !isLoading && error === null;
  return (
    <>
      <ListTools walletId={walletId} found={found} loaded={loaded.length} hasMore={hasMore} isSearch={isSearch} />
      <div className="card list-card">
        <div ref={top} className="list-top" />
        {held > 0 && (
          <button type="button" className="button button-primary new-rows" onClick={() => top.current?.scrollIntoView({ block: "center" })}>
            {held === 1 ? "1 new transaction" : `${held} new transactions`}
          </button>
        )}
        {found.length > 0 && (
          <div role="group" aria-label="Transactions, newest first" aria-busy={isLoading}>
            {days.map((day) => (
              <DayGroup key={day.date} day={day} today={today} onOpen={setOpened} />
            ))}
          </div>
        )}
        {error !== null && <QueryFailed error={error} onRetry={() => void loadMore()} />}
        {isLoading && <Skeleton label="Loading transactions" rows={loaded.length === 0 ? 6 : 2} />}
        {isReady && found.length === 0 && (isSearch || !hasMore) && <Nothing isNarrowed={isSearch || isNarrowed(filter)} onShowAll={onShowAll} />}
        {isReady && hasMore && loaded.length > 0 && (
          <button
            ref={isSearch ? null : end}
            type="button"
            className="button button-wide list-more"
            onClick={() => void (isSearch ? searchOlder() : loadMore())}
          >
            {isSearch ? "Search older ones" : "Show older ones"}
          </button>
        )}
        {!hasMore && found.length > 0 && <p className="list-end muted">That is all of them.</p>}
      </div>
      {opened !== null && <Details row={opened} walletId={walletId} onClose={() => setOpened(null)} />}
    </>
  );
}

function Nothing({ isNarrowed, onShowAll }: { readonly isNarrowed: boolean; readonly onShowAll: () => void }) {
  if (!isNarrowed) {
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
