import type { CombinedError } from "@urql/core";
import { useCallback, useEffect, useRef, useState } from "react";
import { MAY_LAG } from "../graphql/lastGood.js";
import { useAgain } from "../graphql/useAgain.js";
import { troubleOf } from "../graphql/client.js";
import { connection } from "../live/page.js";
import { useAccount } from "../session/AccountContext.js";
import { askedOf, rowOfItem, SEARCH_OWN, SEARCH_WALLET, withNewest, type FoundPage, type ReadPosition } from "./found.js";
import { writeFilter, type Filter } from "./filter.js";
import { keyOf, type Row } from "./rows.js";

export interface FoundList {
  readonly rows: readonly Row[];
  /** How much of the news the newest answer had seen; null before the first one. */
  readonly seen: ReadPosition | null;
  readonly hasMore: boolean;
  readonly isLoading: boolean;
  readonly error: CombinedError | null;
}

interface List extends FoundList {
  readonly cursor: string | null;
}

const EMPTY: List = { rows: [], seen: null, hasMore: true, isLoading: true, error: null, cursor: null };
const PAGE_SIZE = 25;
/** Many payments at once are one look. */
const SETTLE_MILLISECONDS = 300;

type Answer = { readonly page: FoundPage } | { readonly page: null; readonly error: CombinedError | undefined };

/** What a search finds in one wallet, or in all own ones if `walletId` is null. The newest payment, at the cursor `news`, is in it. */
export function useFound(walletId: string | null, filter: Filter, news: string | null) {
  const key = `${walletId ?? ""} ${writeFilter(filter)}`;
  const [list, setList] = useState<List>(EMPTY);
  const current = useRef(list);
  const newest = useRef(news);
  const asking = useRef(0);
  const ask = useAsk(walletId, filter);
  const change = useCallback((changed: Partial<List>) => {
    current.current = { ...current.current, ...changed };
    setList(current.current);
  }, []);

  /** From the top, or what follows the last row. Of two answers only that to the later question counts. */
  const load = useCallback(
    async (from: "top" | "end"): Promise<void> => {
      const { cursor, hasMore, isLoading } = current.current;
      if (from === "end" && (isLoading || !hasMore)) {
        return;
      }
      asking.current += 1;
      const question = asking.current;
      change({ isLoading: true, error: null });
      const answer = await ask(from === "end" ? cursor : null, newest.current);
      if (question !== asking.current) {
        return;
      }
      if (answer.page === null) {
        change({ isLoading: false, error: answer.error ?? null, hasMore: answer.error !== undefined });
        return;
      }
      const { edges, pageInfo, readPosition } = answer.page;
      const found = edges.map(({ node }) => rowOfItem(node));
      const known = new Set(current.current.rows.map(keyOf));
      const rows = from === "end" ? [...current.current.rows, ...found.filter((row) => !known.has(keyOf(row)))] : found;
      change({ rows, seen: readPosition, hasMore: pageInfo.hasNextPage, cursor: pageInfo.endCursor, isLoading: false });
    },
    [ask, change],
  );

  /** Put what is new above the rows, without a word if that fails: the next payment or the next visit tries again. */
  const freshen = useCallback(async (): Promise<void> => {
    if (current.current.isLoading) {
      return;
    }
    const question = asking.current;
    const { page } = await ask(null, newest.current);
    if (page === null || question !== asking.current || current.current.isLoading) {
      return;
    }
    const found = page.edges.map(({ node }) => rowOfItem(node));
    const rows = withNewest(found, current.current.rows);
    change(rows === null ? { rows: found, seen: page.readPosition, hasMore: page.pageInfo.hasNextPage, cursor: page.pageInfo.endCursor } : { rows, seen: page.readPosition });
  }, [ask, change]);

  useEffect(() => void load("top"), [key, load]);
  useEffect(() => {
    if (news === newest.current) {
      return undefined;
    }
    const timer = setTimeout(() => {
      newest.current = news;
      void freshen();
    }, SETTLE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [news, freshen]);
  useEffect(() => {
    const onVisible = (): void => (document.hidden ? undefined : void freshen());
    document.addEventListener("visibilitychange", onVisible);
    const leave = connection.onReturn(() => void freshen());
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      leave();
    };
  }, [freshen]);
  const again = useCallback(() => load(current.current.cursor === null ? "top" : "end"), [load]);
  useAgain(list.error, again);
  return { list: list as FoundList, loadMore: useCallback(() => load("end"), [load]), again };
}

/** Asks for a page. If the service has not seen the newest payment within its second, for what it has seen. */
function useAsk(walletId: string | null, filter: Filter): (after: string | null, notBefore: string | null) => Promise<Answer> {
  const { pages } = useAccount();
  const text = writeFilter(filter);
  return useCallback(
    async (after, notBefore) => {
      const send = async (bound: string | null): Promise<Answer> => {
        const variables = { first: PAGE_SIZE, after, ...askedOf(filter, walletId), notBefore: bound };
        const policy = { requestPolicy: "network-only", [MAY_LAG]: bound !== null } as const;
        const { page, error } =
          walletId === null
            ? await pages.query(SEARCH_OWN, variables, policy).toPromise().then(({ data, error: failed }) => ({ page: data?.viewer.activity, error: failed }))
            : await pages.query(SEARCH_WALLET, { id: walletId, ...variables }, policy).toPromise().then(({ data, error: failed }) => ({ page: data?.wallet?.owner?.activity, error: failed }));
        return page ? { page } : { page: null, error };
      };
      const answer = await send(after === null ? notBefore : null);
      const isBehind = answer.page === null && answer.error !== undefined && notBefore !== null && troubleOf(answer.error).code === "UNAVAILABLE";
      return isBehind ? send(null) : answer;
    },
    // The filter is what its text says.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [pages, walletId, text],
  );
}
