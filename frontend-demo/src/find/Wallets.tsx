import type { ReactNode } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { WalletRows } from "./WalletRows.js";
import { Found, NoPage, Nothing, Pages, type PageInfo } from "./paging.js";
import { FIND_WALLETS } from "./queries.js";

/** Everyone's wallets, newest first. */
export function Wallets() {
  return (
    <Found id="found-wallets" title="Newest wallets">
      <Pages things="wallets" page={(after, end) => <Page after={after} end={end} />} />
    </Found>
  );
}

function Page({ after, end }: { readonly after: string | null; readonly end: (info: PageInfo) => ReactNode }) {
  const { data, error, again } = useAnswer({ query: FIND_WALLETS, variables: { after } });
  const page = data?.wallets;
  return page ? (
    <>
      {page.edges.length === 0 && <Nothing>There are no wallets yet.</Nothing>}
      <WalletRows wallets={page.edges.map(({ node }) => node)} label="Wallets" showsOwner />
      {end(page.pageInfo)}
    </>
  ) : (
    <NoPage error={error} again={again} label="Loading wallets" />
  );
}
