import type { ReactNode } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { Link } from "wouter";
import { lazyPart } from "../app/lazyPage.js";
import { chargeText } from "../fees/charge.js";
import { MoneyText } from "../money/Money.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { RECEIPT } from "../receipts/queries.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { CopyableId } from "../ui/Copy.js";
import { To } from "../ui/Icon.js";
import { Empty, Notice, PagePending, Skeleton } from "../ui/Notice.js";
import { formatExact } from "../ui/time.js";
import { useTitle } from "../ui/title.js";
import { Reversals } from "./refund/Reversals.js";
import { Exchange } from "./Exchange.js";
import { LifeTimeline } from "./LifeTimeline.js";
import { TAccounts } from "./TAccounts.js";
import { TRANSACTION, type LoadedTransaction } from "./queries.js";
import { titleOf } from "./title.js";

// Below what is first seen, so the page does not wait for it.
const ReceiptCard = lazyPart(async () => (await import("../receipts/ReceiptCard.js")).ReceiptCard, <Skeleton label="Loading the receipt" />);

export function TransactionPage({ id }: { readonly id: string }) {
  const { name } = useAccount();
  const { data, error, again } = useAnswer({ query: TRANSACTION, variables: { id } });
  useTitle("Transaction");
  if (data === undefined) {
    return <PagePending title="Transaction" label="Loading the transaction" error={error} again={again} />;
  }
  return data.transaction === null ? (
    <Empty isPage icon="activity" title="There is no such transaction">
      <p className="muted">Or it is not one that {name} may see.</p>
      <Link href="/wallets" className="button">
        To the wallets
      </Link>
    </Empty>
  ) : (
    <Loaded transaction={data.transaction} again={again} />
  );
}

function Loaded({ transaction, again }: { readonly transaction: LoadedTransaction; readonly again: () => void }) {
  const { demo } = useSession();
  const { id, status, sender, receiver, description, failureCode, reverses, hold, conversion } = transaction;
  const { words, money, other } = titleOf(transaction);
  return (
    <div className="stack-large">
      <section className="card stack" aria-label="Transaction">
        <div className="transaction-top">
          <h1>
            {words}
            <MoneyText money={money} />
            {other !== null && (
              <>
                {" to "}
                <MoneyText money={other} />
              </>
            )}
          </h1>
          <StatusBadge status={status} />
        </div>
        <p className="transaction-parties">
          <PartyName party={sender} /> <To /> <PartyName party={receiver} />
        </p>
        {reverses !== null && (
          <p>
            It gives back a part or all of{" "}
            <Link href={`/transactions/${reverses.id}`}>
              a payment of <MoneyText money={reverses.amount} />
            </Link>
            .{reverses.conversion !== null && <GivenBack entries={transaction.entries} />}
          </p>
        )}
        {hold !== null && (
          <p>
            Captured from <Link href={`/holds/${hold.id}`}>a hold of <MoneyText money={hold.amount} /></Link>.
          </p>
        )}
        {description !== null && <p className="transaction-note">“<bdi>{description}</bdi>”</p>}
        {failureCode !== null && (
          <Notice tone="bad" icon="cross" title="Refused: nothing moved">
            <p>
              {refusalText({ code: failureCode, message: failureCode })} <code>{failureCode}</code>
            </p>
          </Notice>
        )}
        <Facts transaction={transaction} />
      </section>
      {conversion !== null && <Exchange conversion={conversion} />}
      {status === "COMPLETED" && <Reversals key={id} transaction={transaction} onChange={again} />}
      {demo !== null && (
        <section className="card stack" aria-labelledby="life">
          <h2 id="life">Its life</h2>
          <LifeTimeline transactionId={id} isCompleted={status === "COMPLETED"} />
        </section>
      )}
      {status === "COMPLETED" && (
        <section className="card stack" aria-labelledby="accounts">
          <h2 id="accounts">In the ledger</h2>
          <TAccounts transaction={transaction} />
        </section>
      )}
      {status === "COMPLETED" && <ReceiptCard key={`${id} receipt`} shown={transaction} />}
      <Operations operations={[operationOf(TRANSACTION, { id }), ...(status === "COMPLETED" ? [operationOf(RECEIPT, { id })] : [])]} />
    </div>
  );
}

/** What left and arrived, as far as the viewer sees it, where an exchange was given back. */
function GivenBack({ entries }: Pick<LoadedTransaction, "entries">) {
  return entries
    .filter(({ purpose, wallet }) => purpose === "PRINCIPAL" && wallet.owner !== null)
    .map(({ id, direction, amount, wallet }) => (
      <span key={id}>
        {" "}
        <MoneyText money={amount} /> {direction === "DEBIT" ? "left" : "went back to"} <bdi>{wallet.name}</bdi>.
      </span>
    ));
}

function PartyName({ party }: { readonly party: LoadedTransaction["sender"] }) {
  if (party === null) {
    return <span>Several wallets</span>;
  }
  return party.wallet === null ? (
    <strong>
      <bdi>{party.displayName}</bdi>
    </strong>
  ) : (
    <Link href={`/wallets/${party.wallet.id}`}>
      <bdi>{party.displayName}</bdi> (<bdi>{party.wallet.name}</bdi>)
    </Link>
  );
}

function Facts({ transaction }: { readonly transaction: LoadedTransaction }) {
  const { id, createdAt, completedAt, reference, metadata, idempotencyKey, fees, entries } = transaction;
  return (
    <dl className="facts">
      <Fact name="Created">{formatExact(createdAt)}</Fact>
      {completedAt !== null && <Fact name="Completed">{formatExact(completedAt)}</Fact>}
      {fees.map((charge) => (
        <Fact key={charge.label} name="Fee">
          <bdi>{chargeText(charge)}</bdi>
        </Fact>
      ))}
      <Fact name="Transaction">
        <CopyableId id={id} label="the transaction's id" />
      </Fact>
      {reference !== null && (
        <Fact name="Reference">
          <bdi>{reference}</bdi>
        </Fact>
      )}
      {metadata.map(({ key, value }) => (
        <Fact key={key} name={key}>
          <bdi>{value}</bdi>
        </Fact>
      ))}
      {idempotencyKey !== null && (
        <Fact name="Idempotency key">
          <CopyableId id={idempotencyKey} label="the idempotency key" />
        </Fact>
      )}
      {entries.map((entry) => (
        <Fact key={entry.id} name={`Entry ${entry.sequence} of ${entry.wallet.name}`}>
          <CopyableId id={entry.id} label={`the id of entry ${entry.sequence}`} />
        </Fact>
      ))}
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
