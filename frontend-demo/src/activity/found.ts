import { graphql, type ResultOf, type VariablesOf } from "../graphql/tada.js";
import { apiFilter, type Filter } from "./filter.js";
import { keyOf, type Row } from "./rows.js";
import { readSearch } from "./searchText.js";

export const FOUND = graphql(`
  fragment Found on ActivityConnection {
    edges {
      node {
        id at direction purpose
        amount { amount currency }
        wallet { id name owner { id displayName } }
        counterparty { walletId displayName }
        transaction { id type description }
      }
    }
    pageInfo { hasNextPage endCursor }
    readPosition { position at lagSeconds }
  }
`);

export const SEARCH_WALLET = graphql(
  `
    query SearchWallet($id: ID!, $first: Int!, $after: String, $query: String, $filter: ActivityFilter, $notBefore: String) {
      wallet(id: $id) {
        id
        owner {
          id
          activity(first: $first, after: $after, query: $query, filter: $filter, notBefore: $notBefore) { ...Found }
        }
      }
    }
  `,
  [FOUND],
);

export const SEARCH_OWN = graphql(
  `
    query SearchOwn($first: Int!, $after: String, $query: String, $filter: ActivityFilter, $notBefore: String) {
      viewer {
        id
        activity(first: $first, after: $after, query: $query, filter: $filter, notBefore: $notBefore) { ...Found }
      }
    }
  `,
  [FOUND],
);

export type FoundPage = ResultOf<typeof FOUND>;
export type ReadPosition = FoundPage["readPosition"];
type Item = FoundPage["edges"][number]["node"];
type ActivityFilter = NonNullable<VariablesOf<typeof SEARCH_OWN>["filter"]>;

/** The search and the limits of a list as the API takes them. */
export function askedOf(filter: Filter, walletId: string | null): { readonly query: string | null; readonly filter: ActivityFilter } {
  const { words, amountFrom, amountTo, metadata } = readSearch(filter.q);
  const { direction, createdFrom, createdTo } = apiFilter(filter) ?? {};
  const all = { walletId, direction, amountFrom, amountTo, metadata: metadata.length === 0 ? null : [...metadata], createdFrom, createdTo };
  return { query: words, filter: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined)) };
}

export function rowOfItem({ id, at, direction, purpose, amount, wallet, counterparty, transaction }: Item): Row {
  return {
    id: transaction.id,
    type: transaction.type,
    // Only what is completed has entries.
    status: "COMPLETED",
    direction,
    amount,
    otherAmount: null,
    isOwn: counterparty !== null && counterparty.displayName === wallet.owner?.displayName,
    fee: null,
    counterparty: counterparty?.displayName ?? null,
    counterpartyWalletId: counterparty?.walletId ?? null,
    description: transaction.description,
    failureCode: null,
    createdAt: at,
    entryId: null,
    found: { entryId: id, walletId: wallet.id, walletName: wallet.name, isFee: purpose === "FEE" },
  };
}

/** The newest rows, just loaded, above those that were there; null where something may lie between the two. */
export function withNewest(newest: readonly Row[], rows: readonly Row[]): readonly Row[] | null {
  const known = new Set(rows.map(keyOf));
  if (rows.length > 0 && newest.length > 0 && !newest.some((row) => known.has(keyOf(row)))) {
    return null;
  }
  const fresh = newest.filter((row) => !known.has(keyOf(row)));
  return fresh.length === 0 ? rows : [...fresh, ...rows];
}

/** From which lag on a reader should know of it. */
const LAG_SECONDS = 2;

/** Until when the answer has seen everything; null if it has seen all there is, or nearly. */
export function seenUntil(position: ReadPosition | null): string | null {
  return position !== null && position.lagSeconds > LAG_SECONDS ? position.at : null;
}
