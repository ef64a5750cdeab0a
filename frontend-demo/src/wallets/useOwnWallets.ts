import type { Client, CombinedError, RequestPolicy } from "@urql/core";
import { useEffect, useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import type { ResultOf } from "../graphql/tada.js";
import { useAccount } from "../session/AccountContext.js";
import type { Point } from "./points.js";
import { VIEWER_CHARTS, VIEWER_WALLETS, type WalletSummary } from "./queries.js";

/** The header and a page that opens with it ask the same: what was asked or answered this lately serves both. */
const YOUNG_MILLISECONDS = 10_000;
const lastAt = new WeakMap<Client, number>();

type Page = ResultOf<typeof VIEWER_WALLETS>["viewer"]["wallets"];

export interface OwnWallets {
  readonly displayName: string | null;
  /** All of them, oldest first; null until all are known. */
  readonly wallets: readonly WalletSummary[] | null;
  readonly error: CombinedError | undefined;
  readonly again: () => void;
}

/** The newest page of one's own wallets. */
export function useNewestWallets(pause = false) {
  const { pages } = useAccount();
  const [requestPolicy] = useState<RequestPolicy>(() => (performance.now() - (lastAt.get(pages) ?? -Infinity) < YOUNG_MILLISECONDS ? "cache-first" : "cache-and-network"));
  const answer = useAnswer({ query: VIEWER_WALLETS, variables: { after: null }, requestPolicy, pause });
  const { data } = answer;
  useEffect(() => {
    // What came from the cache is as old as it was.
    if (!pause && requestPolicy !== "cache-first") {
      lastAt.set(pages, performance.now());
    }
  }, [pages, pause, requestPolicy, data]);
  return answer;
}

/** All of one's own wallets, page after page by cursor. */
export function useOwnWallets(): OwnWallets {
  const { data, error, again } = useNewestWallets();
  const newest = data?.viewer.wallets;
  const older = useOlder(newest);
  const isComplete = newest !== undefined && older.wallets !== null;
  return {
    displayName: data?.viewer.displayName ?? null,
    wallets: isComplete ? [...newest.edges.map(({ node }) => node), ...(older.wallets ?? [])].reverse() : null,
    error: error ?? older.error,
    again,
  };
}

interface Older {
  readonly wallets: readonly WalletSummary[] | null;
  readonly error: CombinedError | undefined;
}

function useOlder(newest: Page | undefined): Older {
  const { pages } = useAccount();
  const [older, setOlder] = useState<Older>({ wallets: null, error: undefined });
  useEffect(() => {
    let isOver = false;
    const load = async (): Promise<void> => {
      const wallets: WalletSummary[] = [];
      let page = newest;
      while (page?.pageInfo.hasNextPage === true && !isOver) {
        const asked = await pages.query(VIEWER_WALLETS, { after: page.pageInfo.endCursor }, { requestPolicy: "network-only" }).toPromise();
        page = asked.data?.viewer.wallets;
        if (page === undefined) {
          // What was complete before stays.
          setOlder((known) => (isOver ? known : { ...known, error: asked.error }));
          return;
        }
        wallets.push(...page.edges.map(({ node }) => node));
      }
      if (!isOver) {
        setOlder({ wallets, error: undefined });
      }
    };
    if (newest !== undefined) {
      void load();
    }
    return () => {
      isOver = true;
    };
  }, [pages, newest]);
  return older;
}

/** The newest balances of each wallet by its id, as far as they are there. */
export function useOwnCharts(): ReadonlyMap<string, readonly Point[]> {
  const { pages } = useAccount();
  const [charts, setCharts] = useState<ReadonlyMap<string, readonly Point[]>>(new Map());
  useEffect(() => {
    let isOver = false;
    const load = async (): Promise<void> => {
      let after: string | null = null;
      do {
        const asked: { data?: ResultOf<typeof VIEWER_CHARTS> | undefined } = await pages.query(VIEWER_CHARTS, { after }).toPromise();
        const page = asked.data?.viewer.wallets;
        if (page === undefined || isOver) {
          return;
        }
        setCharts((known) => new Map([...known, ...page.edges.map(({ node }) => [node.id, node.entries.edges.map((edge) => edge.node)] as const)]));
        after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
      } while (after !== null);
    };
    void load();
    return () => {
      isOver = true;
    };
  }, [pages]);
  return charts;
}
