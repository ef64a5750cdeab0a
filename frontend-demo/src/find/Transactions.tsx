import type { ReactNode } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { TransactionRows } from "./TransactionRows.js";
import { Found, NoPage, Nothing, Pages, type PageInfo } from "./paging.js";
import { FIND_TRANSACTIONS } from "./queries.js";

/** Everyone's transactions, newest first, or those with a reference. */
export function Transactions({ reference }: { readonly reference: string | null }) {
  return (
    <Found id="found-transactions" title={reference === null ? "Newest transactions" : "Transactions with this reference"}>
      <Pages things="transactions" page={(after, end) => <Page reference={reference} after={after} end={end} />} />
    </Found>
  );
}

interface PageProps {
  readonly reference: string | null;
  readonly after: string | null;
  readonly end: (info: PageInfo) => ReactNode;
}

function Page({ reference, after, end }: PageProps) {
  const { data, error, again } = useAnswer({ query: FIND_TRANSACTIONS, variables: { reference, after } });
  const page = data?.transactions;
  if (!page) {
    return <NoPage error={error} again={again} label="Loading transactions" />;
  }
  return (
    <>
      {page.edges.length === 0 && <Nothing>{reference === null ? "There are no transactions yet." : "No transaction has this reference."}</Nothing>}
      <TransactionRows transactions={page.edges.map(({ node }) => node)} label="Transactions" />
      {end(page.pageInfo)}
    </>
  );
}
