import { mapExchange, type CombinedError, type Exchange } from "@urql/core";

const TRANSIENT = new Set(["TIMEOUT", "UNAVAILABLE"]);
const MOST_KEPT = 200;

/** Whether the service was not reached or cannot answer now, so that the same query may succeed later. */
export function isTransient({ networkError, graphQLErrors }: CombinedError): boolean {
  return networkError !== undefined || graphQLErrors.some(({ extensions: { code } }) => typeof code === "string" && TRANSIENT.has(code));
}

/** In an operation's context: whether UNAVAILABLE only means that the service has not seen all yet. It has answered. */
export const MAY_LAG = "mayLag";

/** Receives the results of requests that reached the network. */
export interface Reachability {
  failed(): void;
  succeeded(): void;
}

/** Reports whether the service answered. Place it after the cache, so that cached results are not reported. */
export function reportTo(reachability: Reachability): Exchange {
  return mapExchange({
    onResult: (result) => {
      const isBehind = result.operation.context[MAY_LAG] === true && result.error?.networkError === undefined;
      if (result.error === undefined || isBehind || !isTransient(result.error)) {
        reachability.succeeded();
        return result;
      }
      reachability.failed();
      // A null for a field that could not be read must not be shown as "there is no such thing".
      return result.operation.kind === "query" ? { ...result, data: undefined } : result;
    },
  });
}

/** Adds the last good data to a query's transient error. Place it before the cache. */
export function keepLastGood(): Exchange {
  const kept = new Map<number, unknown>();
  return mapExchange({
    onResult: (result) => {
      const { operation, error } = result;
      const data: unknown = result.data;
      if (operation.kind !== "query") {
        return result;
      }
      if (error === undefined) {
        kept.delete(operation.key);
        kept.set(operation.key, data);
        const [oldest] = kept.keys();
        if (kept.size > MOST_KEPT && oldest !== undefined) {
          kept.delete(oldest);
        }
        return result;
      }
      return isTransient(error) && kept.has(operation.key) ? { ...result, data: kept.get(operation.key) } : result;
    },
  });
}
