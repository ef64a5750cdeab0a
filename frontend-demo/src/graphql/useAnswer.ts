import { useCallback } from "react";
import type { AnyVariables, CombinedError } from "@urql/core";
import { useQuery, type UseQueryArgs } from "urql";
import { useAgain } from "./useAgain.js";

export interface Answer<Data> {
  /** Undefined until there is one, and where the service answered with nothing but errors. The last good one while it does not answer. */
  readonly data: Data | undefined;
  readonly error: CombinedError | undefined;
  readonly isLoading: boolean;
  /** Ask the service again, whatever is remembered. */
  readonly again: () => void;
}

/** A query's answer, asked for as long as the page that uses it is shown. */
export function useAnswer<Data, Variables extends AnyVariables>(question: UseQueryArgs<Variables, Data>): Answer<Data> {
  const [{ data, error, fetching }, ask] = useQuery(question);
  const again = useCallback(() => ask({ requestPolicy: "network-only" }), [ask]);
  useAgain(error, again);
  // GraphQL's null is no answer either.
  return { data: data ?? undefined, error, isLoading: fetching, again };
}
