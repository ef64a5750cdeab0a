import type { ReactNode } from "react";
import { Link } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { CopyableId } from "../ui/Copy.js";
import { Empty, PagePending } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { KeyForm } from "./KeyForm.js";
import { WalletRows } from "./WalletRows.js";
import { Found, NoPage, Nothing, Pages, type PageInfo } from "./paging.js";
import { FIND_USER, FIND_USERS_KEY } from "./queries.js";

/** A user, with all their wallets, and their payments by idempotency key. */
export function UserView({ id }: { readonly id: string }) {
  const { data, error, again } = useAnswer({ query: FIND_USER, variables: { id, after: null } });
  const user = data?.node?.__typename === "User" ? data.node : null;
  useTitle(user?.displayName ?? "User");
  if (data === undefined) {
    return <PagePending title="User" label="Loading the user" error={error} again={again} />;
  }
  if (user === null) {
    return (
      <Empty isPage icon="people" title="There is no such user">
        <Link href="/find" className="button">
          To the search
        </Link>
      </Empty>
    );
  }
  return (
    <div className="stack-large">
      <div>
        <h1>{user.displayName}</h1>
        <p className="muted">
          <CopyableId id={id} label="the user’s id" />
        </p>
        <Link href="/find">Search again</Link>
      </div>
      <Found id="found-wallets" title="Wallets">
        <Pages things="wallets" page={(after, end) => <Wallets id={id} after={after} end={end} />} />
      </Found>
      <KeyForm userId={id} name={user.displayName} />
      <Operations operations={[operationOf(FIND_USER, { id }), operationOf(FIND_USERS_KEY, { userId: id, key: "a-key" })]} />
    </div>
  );
}

function Wallets({ id, after, end }: { readonly id: string; readonly after: string | null; readonly end: (info: PageInfo) => ReactNode }) {
  const { data, error, again } = useAnswer({ query: FIND_USER, variables: { id, after } });
  const page = data?.node?.__typename === "User" ? data.node.wallets : undefined;
  if (page === undefined) {
    return <NoPage error={error} again={again} label="Loading wallets" />;
  }
  return (
    <>
      {page.edges.length === 0 && <Nothing>No wallets</Nothing>}
      <WalletRows wallets={page.edges.map(({ node }) => node)} label="Wallets" />
      {end(page.pageInfo)}
    </>
  );
}
