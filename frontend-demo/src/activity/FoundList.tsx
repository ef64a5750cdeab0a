import { useMemo, useState } from "react";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { formatClock } from "../ui/time.js";
import { DayGroup } from "./DayGroup.js";
import { Details } from "./Details.js";
import { ListTools } from "./ListTools.js";
import { Nothing } from "./Nothing.js";
import { daysOf } from "./days.js";
import { isNarrowed, type Filter } from "./filter.js";
import { seenUntil } from "./found.js";
import type { Row } from "./rows.js";
import { readSearch } from "./searchText.js";
import { useFound } from "./useFound.js";
import { useReached } from "./useReached.js";
import { useToday } from "./useToday.js";

interface FoundListProps {
  /** Null for all wallets of the viewer. */
  readonly walletId: string | null;
  readonly filter: Filter;
  /** The cursor of the newest payment that arrived here; null if none did. */
  readonly news: string | null;
  readonly onShowAll: () => void;
}

/** The entries that match, newest first, below their days. The service searches all of them. */
export function FoundList(props: FoundListProps) {
  const { problem } = readSearch(props.filter.q);
  return problem === null ? (
    <Found {...props} />
  ) : (
    <p className="field-problem" role="alert">
      {problem}
    </p>
  );
}

function Found({ walletId, filter, news, onShowAll }: FoundListProps) {
  const { list, loadMore, again } = useFound(walletId, filter, news);
  const { rows, seen, hasMore, isLoading, error } = list;
  const end = useReached(loadMore);
  const today = useToday();
  const [opened, setOpened] = useState<Row | null>(null);
  const days = useMemo(() => daysOf(rows, false, hasMore), [rows, hasMore]);
  const isReady = !isLoading && error === null;
  const until = seenUntil(seen);
  return (
    <>
      <ListTools name={walletId ?? "activity"} rows={rows} status={isReady ? foundText(rows.length, hasMore) : ""} />
      {until !== null && (
        <p className="muted found-until" role="note">
          This has all payments until <time dateTime={until}>{formatClock(Date.parse(until))}</time>. Newer ones follow in a moment.
        </p>
      )}
      <div className="card list-card">
        {rows.length > 0 && (
          <div role="group" aria-label="Transactions, newest first" aria-busy={isLoading}>
            {days.map((day) => (
              <DayGroup key={day.date} day={day} today={today} hasWallets={walletId === null} onOpen={setOpened} />
            ))}
          </div>
        )}
        {error !== null && <QueryFailed error={error} onRetry={() => void again()} />}
        {isLoading && <Skeleton label="Loading transactions" rows={rows.length === 0 ? 6 : 2} />}
        {isReady && rows.length === 0 && (
          <Nothing isNarrowed={isNarrowed(filter)} onShowAll={onShowAll}>
            <Empty icon="activity" title="Nothing has moved yet">
              <p className="muted">What you pay and receive, in all wallets, stands here.</p>
            </Empty>
          </Nothing>
        )}
        {isReady && hasMore && rows.length > 0 && (
          <button ref={end} type="button" className="button button-wide list-more" onClick={() => void loadMore()}>
            Show older ones
          </button>
        )}
        {isReady && !hasMore && rows.length > 0 && <p className="list-end muted">That is all of them.</p>}
      </div>
      {opened !== null && <Details row={opened} walletId={opened.found?.walletId ?? walletId ?? ""} onClose={() => setOpened(null)} />}
    </>
  );
}

function foundText(count: number, hasMore: boolean): string {
  return hasMore ? `The newest ${count}, and there are more.` : count === 1 ? "1 entry." : `${count} entries.`;
}
