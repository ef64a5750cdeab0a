import type { CombinedError } from "@urql/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useAgain } from "../graphql/useAgain.js";
import type { Arrival } from "../live/feed.js";
import { connection } from "../live/page.js";
import { useAccount } from "../session/AccountContext.js";
import { apiFilter, matches, writeFilter, type Filter } from "./filter.js";
import { ACTIVITY } from "./queries.js";
import { appendRows, hasGap, liveRows, rowOfTransaction, withHead, type Row } from "./rows.js";

export interface Activity {
  readonly rows: readonly Row[];
  /** The wallet's sequence when the list was begun: entries after it are not in the list yet. Null before the first answer. */
  readonly since: string | null;
  readonly hasMore: boolean;
  readonly isLoading: boolean;
  readonly error: CombinedError | null;
}

interface List extends Activity {
  readonly cursor: string | null;
}

const PAGE_SIZE = 25;
const EMPTY: List = { rows: [], since: null, hasMore: true, isLoading: false, error: null, cursor: null };
const MOST_REMEMBERED = 20;

/** Lists that were left, so that going back finds them as long as they were. */
const remembered = new Map<string, List>();

/** The wallet's transactions under a filter, page by page as they are asked for. */
export function useActivity(walletId: string, filter: Filter, arrivals: readonly Arrival[]) {
  const { pages, subject } = useAccount();
  const key = `${subject} ${walletId} ${writeFilter(filter)}`;
  const [list, setList] = useState<List>(() => remembered.get(key) ?? EMPTY);
  const current = useRef(list);
  const change = useCallback(
    (changed: Partial<List>) => {
      current.current = { ...current.current, ...changed };
      setList(current.current);
      remember(key, current.current);
    },
    [key],
  );

  const loadMore = useCallback(async (): Promise<void> => {
    const { isLoading, hasMore, cursor } = current.current;
    if (isLoading || !hasMore) {
      return;
    }
    change({ isLoading: true, error: null });
    const variables = { id: walletId, first: PAGE_SIZE, after: cursor, filter: apiFilter(filter) };
    const { data, error } = await pages.query(ACTIVITY, variables, { requestPolicy: "network-only" }).toPromise();
    const wallet = data?.wallet;
    if (!wallet) {
      change({ isLoading: false, error: error ?? null, hasMore: error !== undefined });
      return;
    }
    const { edges, pageInfo } = wallet.transactions;
    change({
      rows: appendRows(current.current.rows, edges.map(({ node }) => rowOfTransaction(node, walletId))),
      since: current.current.since ?? wallet.sequence,
      hasMore: pageInfo.hasNextPage,
      cursor: pageInfo.endCursor,
      isLoading: false,
      error: null,
    });
  }, [pages, walletId, filter, change]);

  const { rows, since, error } = list;
  const fresh = useMemo(() => {
    const arrived = since === null ? [] : arrivals.filter(({ entry }) => BigInt(entry.sequence) > BigInt(since));
    return liveRows(arrived, rows).filter((row) => matches(filter, row));
  }, [arrivals, rows, since, filter]);
  const isBroken = since !== null && hasGap(arrivals, since);
  const shown = useRef<readonly Row[]>([]);
  useEffect(() => {
    shown.current = isBroken ? [] : [...fresh, ...rows];
  }, [isBroken, fresh, rows]);

  /** Load the newest ones anew: a refusal makes no entry, so nothing else brings it. */
  const freshen = useCallback(async (): Promise<void> => {
    const { data } = await pages
      .query(ACTIVITY, { id: walletId, first: PAGE_SIZE, after: null, filter: apiFilter(filter) }, { requestPolicy: "network-only" })
      .toPromise();
    if (data?.wallet && !current.current.isLoading) {
      const { sequence, transactions } = data.wallet;
      const head = transactions.edges.map(({ node }) => rowOfTransaction(node, walletId));
      const joined = shown.current.length === 0 ? null : withHead(head, shown.current);
      const { hasNextPage, endCursor } = transactions.pageInfo;
      change(joined === null ? { rows: head, since: sequence, hasMore: hasNextPage, cursor: endCursor } : { rows: joined, since: sequence });
    }
  }, [pages, walletId, filter, change]);

  useEffect(() => {
    const load = (): void => void (current.current.since === null ? loadMore() : freshen());
    const onVisible = (): void => (document.hidden ? undefined : load());
    load();
    document.addEventListener("visibilitychange", onVisible);
    const leave = connection.onReturn(load);
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      leave();
    };
  }, [loadMore, freshen]);
  useEffect(() => {
    if (isBroken) {
      void freshen();
    }
  }, [isBroken, freshen]);
  useAgain(error, loadMore);

  return { list: list as Activity, fresh, loadMore };
}

function remember(key: string, list: List): void {
  remembered.delete(key);
  remembered.set(key, { ...list, isLoading: false });
  const [oldest] = remembered.keys();
  if (remembered.size > MOST_REMEMBERED && oldest !== undefined) {
    remembered.delete(oldest);
  }
}
