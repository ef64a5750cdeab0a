import "./holds.css";
import { Link } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { MoneyText } from "../money/Money.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { CopyableId } from "../ui/Copy.js";
import { To } from "../ui/Icon.js";
import { Empty, PagePending } from "../ui/Notice.js";
import { formatExact } from "../ui/time.js";
import { useTitle } from "../ui/title.js";
import { ActionOutcome } from "./ActionOutcome.js";
import { Countdown } from "./Countdown.js";
import { HoldActions } from "./HoldActions.js";
import { useSeconds } from "./clock.js";
import { HOLD, type LoadedHold } from "./queries.js";
import { statusAt } from "./state.js";
import { useFresh } from "./useFresh.js";
import { useHoldAction } from "./useHoldAction.js";

/** One hold, with its captures. */
export function HoldPage({ id }: { readonly id: string }) {
  const { name } = useAccount();
  const { data, error, again } = useAnswer({ query: HOLD, variables: { id } });
  useTitle("Hold");
  if (data === undefined) {
    return <PagePending title="Hold" label="Loading the hold" error={error} again={again} />;
  }
  return data.hold === null ? (
    <Empty isPage icon="activity" title="There is no such hold">
      <p className="muted">Or it is not one that {name} may see.</p>
      <Link href="/wallets" className="button">
        To the wallets
      </Link>
    </Empty>
  ) : (
    <Loaded hold={data.hold} again={again} />
  );
}

function Loaded({ hold, again }: { readonly hold: LoadedHold; readonly again: () => void }) {
  const { isAdmin } = useAccount();
  const { id, amount, description, wallet, receiver } = hold;
  const status = statusAt(hold, useSeconds());
  const { state, act, retry, clear } = useHoldAction(id);
  useFresh(again, state.phase === "settled" || state.phase === "refused" ? state.phase : status);
  // Only its owner, and administrators, are shown a party's wallet.
  const mayAct = status === "OPEN" && !isAdmin && receiver?.wallet != null;
  return (
    <div className="stack-large">
      <section className="card stack" aria-label="Hold">
        <div className="transaction-top">
          <h1>
            Hold of <MoneyText money={amount} />
          </h1>
          <StatusBadge status={status} />
        </div>
        <p className="transaction-parties">
          <Party party={wallet} /> <To word="for" /> {receiver === null ? <span>Any receiver</span> : <Party party={receiver} />}
        </p>
        {description !== null && (
          <p className="transaction-note">
            “<bdi>{description}</bdi>”
          </p>
        )}
        <Sums hold={hold} status={status} />
        <ActionOutcome state={state} onRetry={retry} onDone={clear} />
        {mayAct && (
          <div className="form-actions">
            <HoldActions hold={hold} isBusy={state.phase === "sending" || state.phase === "unknown"} onAct={act} />
          </div>
        )}
        <Facts hold={hold} />
      </section>
      <Captures hold={hold} />
      <Operations operations={[operationOf(HOLD, { id })]} />
    </div>
  );
}

function Party({ party }: { readonly party: LoadedHold["wallet"] }) {
  return party.wallet === null ? (
    <strong>
      <bdi>{party.displayName}</bdi>
    </strong>
  ) : (
    <Link href={`/wallets/${party.wallet.id}`}>
      <bdi>{party.displayName}</bdi>
    </Link>
  );
}

/** What became of the amount. The three always sum to it. */
function Sums({ hold: { captured, released, remaining, expiresAt }, status }: { readonly hold: LoadedHold; readonly status: LoadedHold["status"] }) {
  return (
    <dl className="hold-sums">
      <Sum name="Captured" money={captured} />
      <Sum name="Released" money={released} />
      <Sum name="Remains" money={remaining} />
      {status === "OPEN" && expiresAt !== null && (
        <div>
          <dt>Expires in</dt>
          <dd>
            <Countdown expiresAt={expiresAt} />
          </dd>
        </div>
      )}
    </dl>
  );
}

function Sum({ name, money }: { readonly name: string; readonly money: LoadedHold["amount"] }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <MoneyText money={money} />
      </dd>
    </div>
  );
}

function Facts({ hold: { id, createdAt, expiresAt, closedAt, metadata } }: { readonly hold: LoadedHold }) {
  return (
    <dl className="facts">
      <dt>Placed</dt>
      <dd>{formatExact(createdAt)}</dd>
      {expiresAt !== null && (
        <>
          <dt>Expires</dt>
          <dd>{formatExact(expiresAt)}</dd>
        </>
      )}
      {closedAt !== null && (
        <>
          <dt>Ended</dt>
          <dd>{formatExact(closedAt)}</dd>
        </>
      )}
      {metadata.flatMap(({ key, value }) => [
        <dt key={`${key} name`}>{key}</dt>,
        <dd key={key}>
          <bdi>{value}</bdi>
        </dd>,
      ])}
      <dt>Hold</dt>
      <dd>
        <CopyableId id={id} label="the hold's id" />
      </dd>
    </dl>
  );
}

function Captures({ hold: { captures } }: { readonly hold: LoadedHold }) {
  return (
    <section className="card stack" aria-labelledby="captures">
      <h2 id="captures">Captures</h2>
      {captures.edges.length === 0 && <p className="muted">None of it has been captured.</p>}
      <ul className="hold-list">
        {captures.edges.map(({ node: { id, status, createdAt, amount } }) => (
          <li key={id} className="hold-row">
            <Link href={`/transactions/${id}`}>
              <MoneyText money={amount} />
            </Link>
            <StatusBadge status={status} />
            <time className="muted" dateTime={createdAt}>
              {formatExact(createdAt)}
            </time>
          </li>
        ))}
      </ul>
      {captures.pageInfo.hasNextPage && <p className="muted">And more: these are the newest 20.</p>}
    </section>
  );
}
