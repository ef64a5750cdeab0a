import { mapExchange, type CombinedError, type Exchange } from "@urql/core";

const TRANSIENT = new Set(["TIMEOUT", "UNAVAILABLE"]);
const MOST_KEPT = 200;

/** Whether the service was not reached, or cannot answer now: the same question may be answered later. */
export function isTransient({ networkError, graphQLErrors }: CombinedError): boolean {
  return networkError !== undefined || graphQLErrors.some(({ extensions: { code } }) => typeof code === "string" && TRANSIENT.has(code));
}

/** Where the network's own results are reported. */
export interface Reachability {
  failed(): void;
  succeeded(): void;
}

/** Reports whether the service answered. Belongs after the cache, whose answers say nothing of the service. */
export function reportTo(reachability: Reachability): Exchange {
  return mapExchange({
    onResult: (result) => {
      if (result.error === undefined || !isTransient(result.error)) {
        reachability.succeeded();
        return result;
      }
      reachability.failed();
      // A null in the place of what could not be read must not be taken for "there is no such thing".
      return result.operation.kind === "query" ? { ...result, data: undefined } : result;
    },
  });
}

/** A query that fails for the moment has its last good data beside the error. Belongs before the cache. */
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
