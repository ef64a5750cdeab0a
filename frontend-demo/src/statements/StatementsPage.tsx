import "./statements.css";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { Empty, PagePending } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { NoSuchWallet } from "../wallets/NoSuchWallet.js";
import { NewStatement } from "./NewStatement.js";
import { firstFrom } from "./period.js";
import { STATEMENTS } from "./queries.js";
import { StatementCard } from "./StatementCard.js";

const PAGE_SIZE = 20;
const MOST = 100;
const LOOK_MILLISECONDS = 1_000;

/** The statements of a wallet, newest first, and the form of the next one. */
export function StatementsPage({ id }: { readonly id: string }) {
  const [first, setFirst] = useState(PAGE_SIZE);
  const { data, error, again } = useAnswer({ query: STATEMENTS, variables: { id, first } });
  const wallet = data?.wallet;
  const statements = wallet?.statements.edges.map(({ node }) => node) ?? [];
  const isPreparing = statements.some(({ status }) => status === "PREPARING");
  useTitle(wallet ? `Statements of ${wallet.name}` : "Statements");
  // A finished statement makes no event. The answer before is looked at, so that a slow service is not asked twice at once.
  useEffect(() => {
    if (!isPreparing) {
      return undefined;
    }
    const timer = setTimeout(again, LOOK_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [isPreparing, data, again]);
  if (data === undefined) {
    return <PagePending title="Statements" label="Loading the statements" error={error} again={again} />;
  }
  if (!wallet) {
    return <NoSuchWallet />;
  }
  const newest = statements[0];
  const from = newest?.to ?? firstFrom(wallet.createdAt);
  return (
    <div className="stack-large">
      <div className="page-top">
        <div>
          <h1>Statements</h1>
          <p className="muted">
            <Link href={`/wallets/${wallet.id}`}>{wallet.name}</Link> · {wallet.currency} · each begins where the one before it ended, and never changes
          </p>
        </div>
      </div>
      <NewStatement key={from} walletId={wallet.id} from={from} isFirst={newest === undefined} onMade={again} />
      {statements.length === 0 ? (
        <Empty icon="file" title="No statements yet">
          <p className="muted">A statement lists a period’s entries, for you, your bank or your accountant.</p>
        </Empty>
      ) : (
        <ul className="statements" aria-label="Statements, newest first">
          {statements.map((statement) => (
            <StatementCard key={statement.id} statement={statement} />
          ))}
        </ul>
      )}
      {wallet.statements.pageInfo.hasNextPage &&
        (first < MOST ? (
          <button type="button" className="button" onClick={() => setFirst(MOST)}>
            Show older ones
          </button>
        ) : (
          <p className="muted">These are the newest {MOST}. The API has all of them.</p>
        ))}
      <Operations operations={[operationOf(STATEMENTS, { id: wallet.id, first })]} />
    </div>
  );
}
