import { Link } from "wouter";
import { useNews } from "../live/hooks.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { Empty } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { useNewestWallets } from "../wallets/useOwnWallets.js";
import { Filters } from "./Filters.js";
import { FoundList } from "./FoundList.js";
import { askedOf, SEARCH_OWN } from "./found.js";
import { useNarrowing } from "./useNarrowing.js";

/** What moved in all wallets of the viewer, with a search over all of it. */
export function ActivityPage() {
  const { isAdmin } = useAccount();
  useTitle("Activity");
  return isAdmin ? (
    <Empty isPage icon="activity" title="Administrators have no wallets">
      <p className="muted">The activity of a user’s wallet stands on its page.</p>
      <Link href="/find" className="button">
        Find a wallet
      </Link>
    </Empty>
  ) : (
    <OwnActivity />
  );
}

function OwnActivity() {
  const { filter, narrow, showAll } = useNarrowing();
  const { data } = useNewestWallets();
  const news = useNews(data?.viewer.wallets.edges.map(({ node }) => node));
  return (
    <div className="stack-large">
      <div className="page-top">
        <h1>Activity</h1>
        <p className="muted">All your wallets, newest first</p>
      </div>
      <section aria-labelledby="all-activity" className="stack">
        <h2 id="all-activity" className="visually-hidden">
          Activity of all wallets
        </h2>
        <Filters filter={filter} canSearch isOfEntries onChange={narrow} />
        <FoundList walletId={null} filter={filter} news={news} onShowAll={showAll} />
      </section>
      <Operations operations={[operationOf(SEARCH_OWN, { first: 25, ...askedOf(filter, null) })]} />
    </div>
  );
}
