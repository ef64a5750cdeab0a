import { useCallback } from "react";
import type { AnyVariables, CombinedError } from "@urql/core";
import { useQuery, type UseQueryArgs } from "urql";
import { useAgain } from "./useAgain.js";

export interface Answer<Data> {
  /** Undefined before the first answer and if the service returned only errors. The last good data during an outage. */
  readonly data: Data | undefined;
  readonly error: CombinedError | undefined;
  readonly isLoading: boolean;
  /** Send the query again and ignore the cache. */
  readonly again: () => void;
}

/** The result of a query. The query is repeated after transient errors while the component is shown. */
export function useAnswer<Data, Variables extends AnyVariables>(question: UseQueryArgs<Variables, Data>): Answer<Data> {
  const [{ data, error, fetching }, ask] = useQuery(question);
  const again = useCallback(() => ask({ requestPolicy: "network-only" }), [ask]);
  useAgain(error, again);
  // A null `data` is no result either.
  return { data: data ?? undefined, error, isLoading: fetching, again };
}
