import { useEffect } from "react";
import { Link } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import type { ResultOf } from "../graphql/tada.js";
import { Latency } from "../live/Latency.js";
import { newest, useFeed } from "../live/hooks.js";
import { FittedMoney, MoneyText } from "../money/Money.js";
import { QueryFailed, Notice, Skeleton } from "../ui/Notice.js";
import { formatMoment } from "../ui/time.js";
import { PhoneTop } from "../wallets/PhoneTop.js";
import { SendPanel } from "./SendPanel.js";
import { PHONE } from "./queries.js";
import type { Stage } from "./stage.js";

type PhoneWallet = NonNullable<ResultOf<typeof PHONE>["wallet"]>;
type Entry = PhoneWallet["entries"]["edges"][number]["node"];

interface PhoneProps {
  readonly walletId: string;
  readonly name: string;
  readonly otherName: string;
  readonly otherWalletId: string;
  /** Whether it stands on the right. */
  readonly isRight: boolean;
  readonly stage: Stage;
}

/** One person's app: a live balance, what came and went, and a button to send. */
export function Phone(props: PhoneProps) {
  const { data, error, again } = useAnswer({ query: PHONE, variables: { id: props.walletId } });
  return (
    <article className="phone" aria-label={`${props.name}'s phone`}>
      {data?.wallet ? (
        <Screen {...props} wallet={data.wallet} />
      ) : error === undefined ? (
        data === undefined ? <Skeleton label={`Loading ${props.name}'s wallet`} rows={5} /> : <Notice title="This wallet is gone." />
      ) : (
        <QueryFailed error={error} onRetry={again} />
      )}
    </article>
  );
}

const SHOWN_ENTRIES = 5;

function Screen({ wallet: queried, name, otherName, otherWalletId, isRight, stage }: PhoneProps & { readonly wallet: PhoneWallet }) {
  const feed = useFeed(queried);
  const wallet = newest(queried, feed);
  const fresh = feed.arrivals.filter(({ entry }) => BigInt(entry.sequence) > BigInt(queried.sequence));
  const { arrivals } = feed;
  useEffect(() => stage.arrived(arrivals, isRight, otherWalletId), [stage, arrivals, isRight, otherWalletId]);
  return (
    <>
      <PhoneTop name={name} wallet={wallet} />
      {/* Not a live region: payments that nobody here made would be read out all the time. */}
      <p className="phone-balance" aria-label={`${name}'s balance`}>
        <FittedMoney money={wallet.balance} />
      </p>
      <SendPanel wallet={wallet} otherName={otherName} otherWalletId={otherWalletId} />
      <ul className="phone-entries" aria-label={`${name}'s latest entries`}>
        {[...fresh.map(({ entry }) => entry), ...queried.entries.edges.map(({ node }) => node)].slice(0, SHOWN_ENTRIES).map((entry) => (
          <EntryRow key={entry.id} entry={entry} isFresh={BigInt(entry.sequence) > BigInt(queried.sequence)} />
        ))}
      </ul>
    </>
  );
}

type ShownEntry = Pick<Entry, "id" | "sequence" | "direction" | "createdAt" | "amount"> & {
  readonly transaction: {
    readonly id: string;
    readonly type: string;
    readonly description: string | null;
    readonly sender: { readonly displayName: string } | null;
    readonly receiver: { readonly displayName: string } | null;
  };
};

function EntryRow({ entry, isFresh }: { readonly entry: ShownEntry; readonly isFresh: boolean }) {
  const { direction, transaction } = entry;
  const other = direction === "CREDIT" ? transaction.sender : transaction.receiver;
  const who = transaction.type === "DEPOSIT" ? "Deposit" : (other?.displayName ?? "Several");
  return (
    <li className={isFresh ? "phone-entry is-fresh" : "phone-entry"}>
      <Link href={`/transactions/${transaction.id}`} className="phone-entry-link">
        <span className="phone-entry-text">
          <span className="truncate">{who}</span>
          <span className="muted truncate">{transaction.description ?? (transaction.type === "REVERSAL" ? "Refund" : direction === "CREDIT" ? "Received" : "Sent")}</span>
        </span>
        <span className="phone-entry-figures">
          <span className={`amount-${direction.toLowerCase()}`}>
            <MoneyText money={entry.amount} direction={direction} />
          </span>
          {isFresh ? <Latency entryId={entry.id} createdAt={entry.createdAt} /> : <span className="phone-entry-moment muted">{formatMoment(entry.createdAt)}</span>}
        </span>
      </Link>
    </li>
  );
}
