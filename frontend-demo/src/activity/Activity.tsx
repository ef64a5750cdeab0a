import { lazyPart } from "../app/lazyPage.js";
import type { FeedState } from "../live/feed.js";
import type { Followed } from "../live/hooks.js";
import { Skeleton } from "../ui/Notice.js";
import { ActivityList } from "./ActivityList.js";
import { Filters } from "./Filters.js";
import { writeFilter } from "./filter.js";
import { useNarrowing } from "./useNarrowing.js";

const FoundList = lazyPart(async () => (await import("./FoundList.js")).FoundList, <Skeleton label="Loading transactions" rows={6} />);

interface ActivityProps {
  readonly wallet: Followed;
  /** Whether a user owns it. Others, such as fee accounts, cannot be searched. */
  readonly isOwned: boolean;
  readonly feed: FeedState;
}

/** A wallet's transactions: narrowed by the page's address, live on top, older ones as one scrolls. A search asks for entries. */
export function Activity({ wallet, isOwned, feed }: ActivityProps) {
  const { filter, narrow, showAll } = useNarrowing();
  const isSearch = isOwned && filter.q.trim() !== "";
  return (
    <section aria-labelledby="activity" className="stack">
      <h2 id="activity">Activity</h2>
      <Filters filter={filter} canSearch={isOwned} isOfEntries={isSearch} onChange={narrow} />
      {isSearch ? (
        <FoundList walletId={wallet.id} filter={filter} news={feed.cursor ?? wallet.updatesCursor} onShowAll={showAll} />
      ) : (
        <ActivityList key={writeFilter(filter)} walletId={wallet.id} filter={filter} feed={feed} onShowAll={showAll} />
      )}
    </section>
  );
}
