import { cacheExchange, Client, fetchExchange, type CombinedError } from "@urql/core";
import { connection } from "../live/page.js";
import { hearDate } from "../live/serverClock.js";
import { keepLastGood, reportTo } from "./lastGood.js";

type Token = () => Promise<string>;

const ENDPOINT = "/graphql";
/** The service answers within 10 seconds, at the latest with TIMEOUT. A request that takes longer is lost. */
const PATIENCE_MILLISECONDS = 12_000;

/** Gets the token at each request, so that an expired one is replaced. */
function authorizedFetch(token: Token): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("Authorization", `Bearer ${await token()}`);
    const patience = AbortSignal.timeout(PATIENCE_MILLISECONDS);
    const signal = init?.signal ? AbortSignal.any([init.signal, patience]) : patience;
    const response = await fetch(input, { ...init, headers, signal });
    hearDate(response.headers.get("Date"));
    return response;
  };
}

/** For pages. It caches results, so that going back shows the last result while the query is sent again. */
export function createPageClient(token: Token): Client {
  return new Client({
    url: ENDPOINT,
    fetch: authorizedFetch(token),
    preferGetMethod: false,
    exchanges: [keepLastGood(), cacheExchange, reportTo(connection), fetchExchange],
    requestPolicy: "cache-and-network",
  });
}

/** For transfers. Each call sends a request, and its result does not change a page's cache. */
export function createPlainClient(token: Token): Client {
  return new Client({ url: ENDPOINT, fetch: authorizedFetch(token), preferGetMethod: false, exchanges: [reportTo(connection), fetchExchange] });
}

export interface Trouble {
  /** `extensions.code` of the first GraphQL error, or NETWORK if there was no GraphQL answer. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds: number | null;
}

/** The code and the message of a failed operation. */
export function troubleOf(error: CombinedError): Trouble {
  const first = error.graphQLErrors[0];
  if (first === undefined) {
    return { code: "NETWORK", message: "The service did not answer.", retryAfterSeconds: null };
  }
  const { code, retryAfterSeconds } = first.extensions;
  return {
    code: typeof code === "string" ? code : "INTERNAL",
    message: first.message,
    retryAfterSeconds: typeof retryAfterSeconds === "number" ? retryAfterSeconds : null,
  };
}
