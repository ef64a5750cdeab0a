import type { ReactNode } from "react";
import { Link } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { Icon } from "../ui/Icon.js";
import { WalletRows } from "./WalletRows.js";
import { Found, NoPage, Nothing, Pages, type PageInfo } from "./paging.js";
import { FIND_USERS, type FoundUser } from "./queries.js";

/** All users, or those that a search finds, with their wallets. */
export function Users({ search }: { readonly search: string | null }) {
  return (
    <Found id="found-users" title="Users">
      <Pages things="users" page={(after, end) => <Page search={search} after={after} end={end} />} />
    </Found>
  );
}

interface PageProps {
  readonly search: string | null;
  readonly after: string | null;
  readonly end: (info: PageInfo) => ReactNode;
}

function Page({ search, after, end }: PageProps) {
  const { data, error, again } = useAnswer({ query: FIND_USERS, variables: { search, after } });
  const page = data?.users;
  if (!page) {
    return <NoPage error={error} again={again} label="Loading users" />;
  }
  return (
    <>
      {page.edges.length === 0 && <Nothing>No user has this id or subject, or such a name.</Nothing>}
      <ul className="found-users">
        {page.edges.map(({ node }) => (
          <User key={node.id} user={node} />
        ))}
      </ul>
      {end(page.pageInfo)}
    </>
  );
}

function User({ user: { id, displayName, wallets } }: { readonly user: FoundUser }) {
  return (
    <li>
      <Link href={`/find/${id}`} className="found-row found-user">
        <Icon name="people" />
        <span className="truncate">{displayName}</span>
        {wallets.edges.length === 0 && <span className="muted">No wallets</span>}
        {wallets.pageInfo.hasNextPage && <span className="muted">More than {wallets.edges.length} wallets</span>}
      </Link>
      {wallets.edges.length > 0 && <WalletRows wallets={wallets.edges.map(({ node }) => node)} label={`Wallets of ${displayName}`} />}
    </li>
  );
}
