import { useMemo, useState } from "react";
import { useLocation, useSearch } from "wouter";
import type { FeedState } from "../live/feed.js";
import type { Followed } from "../live/hooks.js";
import { ActivityList } from "./ActivityList.js";
import { Filters } from "./Filters.js";
import { NO_LIMITS, readFilter, writeFilter, type Filter } from "./filter.js";

/** A wallet's transactions: narrowed by the page's address, live on top, older ones as one scrolls. */
export function Activity({ wallet, feed }: { readonly wallet: Followed; readonly feed: FeedState }) {
  const [path, navigate] = useLocation();
  const search = useSearch();
  const filter = useMemo(() => readFilter(search), [search]);
  const narrow = (changed: Filter): void => {
    const query = writeFilter(changed);
    navigate(query === "" ? path : `${path}?${query}`, { replace: true });
  };
  const [words, setWords] = useState("");
  const showAll = (): void => {
    setWords("");
    narrow(NO_LIMITS);
  };
  return (
    <section aria-labelledby="activity" className="stack">
      <h2 id="activity">Activity</h2>
      <Filters filter={filter} onChange={narrow} search={words} onSearch={setWords} />
      <ActivityList key={writeFilter(filter)} walletId={wallet.id} filter={filter} search={words} feed={feed} onShowAll={showAll} />
    </section>
  );
}
