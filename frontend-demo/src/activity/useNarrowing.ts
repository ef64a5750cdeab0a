import { useMemo } from "react";
import { useLocation, useSearch } from "wouter";
import { NO_LIMITS, readFilter, writeFilter, type Filter } from "./filter.js";

/** The limits of a list, kept in the page's address, so that a link has them. */
export function useNarrowing(): { readonly filter: Filter; readonly narrow: (filter: Filter) => void; readonly showAll: () => void } {
  const [path, navigate] = useLocation();
  const search = useSearch();
  const filter = useMemo(() => readFilter(search), [search]);
  const narrow = (changed: Filter): void => {
    const query = writeFilter(changed);
    navigate(query === "" ? path : `${path}?${query}`, { replace: true });
  };
  return { filter, narrow, showAll: () => narrow(NO_LIMITS) };
}
