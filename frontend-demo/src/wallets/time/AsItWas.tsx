import { useMemo, useState } from "react";
import { DayGroup } from "../../activity/DayGroup.js";
import { Details } from "../../activity/Details.js";
import { daysOf } from "../../activity/days.js";
import { rowOfItem, seenUntil } from "../../activity/found.js";
import type { Row } from "../../activity/rows.js";
import { useToday } from "../../activity/useToday.js";
import { useAnswer } from "../../graphql/useAnswer.js";
import { MoneyText } from "../../money/Money.js";
import { Icon } from "../../ui/Icon.js";
import { QueryFailed, Skeleton } from "../../ui/Notice.js";
import { formatClock } from "../../ui/time.js";
import { justAfter } from "./moments.js";
import { WALLET_AT, type WalletAt } from "./queries.js";

const FEW = 10;
const MANY = 100;

interface AsItWasProps {
  readonly walletId: string;
  readonly at: number;
  /** Whether the slider rests at this moment. */
  readonly isSettled: boolean;
}

/** The wallet's figures and its newest entries at a moment. The answer before stays until the next one is there. */
export function AsItWas({ walletId, at, isSettled }: AsItWasProps) {
  const [first, setFirst] = useState(FEW);
  const variables = useMemo(() => ({ id: walletId, at: new Date(at).toISOString(), first, filter: { walletId, createdTo: justAfter(at) } }), [walletId, at, first]);
  // What is final need not be asked for twice.
  const { data, error, isLoading, again } = useAnswer({ query: WALLET_AT, variables, requestPolicy: "cache-first" });
  const point = data?.wallet?.balanceAt ?? null;
  if (error !== undefined && !isLoading) {
    return <QueryFailed error={error} onRetry={again} />;
  }
  if (point === null) {
    return <Skeleton label="Loading the wallet as it was" rows={4} />;
  }
  const isFresh = isSettled && !isLoading;
  const activity = data?.wallet?.owner?.activity ?? null;
  return (
    <div className="stack travel-answer" aria-busy={!isFresh}>
      <Figures point={point} />
      {activity !== null && <Entries activity={activity} walletId={walletId} canShowMore={first < MANY} onMore={() => setFirst(MANY)} />}
    </div>
  );
}

function Figures({ point }: { readonly point: NonNullable<WalletAt["balanceAt"]> }) {
  const { sequence, balance, held, available } = point;
  return (
    <div role="status" className="stack">
      <dl className="travel-figures">
        <div>
          <dt>Balance</dt>
          <dd className="travel-balance">
            <MoneyText money={balance} />
          </dd>
        </div>
        <div>
          <dt>Held</dt>
          <dd>
            <MoneyText money={held} />
          </dd>
        </div>
        <div>
          <dt>Available</dt>
          <dd>
            <MoneyText money={available} />
          </dd>
        </div>
      </dl>
      <p className="travel-final">
        <Icon name="check" />
        <span>
          Final: nothing is backdated, so this answer never changes. {sequence === "0" ? "Nothing had been posted yet." : `It is the balance after entry ${BigInt(sequence).toLocaleString()}.`}
        </span>
      </p>
    </div>
  );
}

interface EntriesProps {
  readonly activity: NonNullable<WalletAt["owner"]>["activity"];
  readonly walletId: string;
  readonly canShowMore: boolean;
  readonly onMore: () => void;
}

function Entries({ activity, walletId, canShowMore, onMore }: EntriesProps) {
  const [opened, setOpened] = useState<Row | null>(null);
  const { edges, pageInfo, readPosition } = activity;
  const days = useMemo(() => daysOf(edges.map(({ node }) => rowOfItem(node)), false, pageInfo.hasNextPage), [edges, pageInfo.hasNextPage]);
  const today = useToday();
  const until = seenUntil(readPosition);
  if (days.length === 0) {
    return null;
  }
  return (
    <>
      <div role="group" aria-label="Entries up to then, newest first">
        {days.map((day) => (
          <DayGroup key={day.date} day={day} today={today} onOpen={setOpened} />
        ))}
      </div>
      {until !== null && <p className="muted">The list has all entries until {formatClock(Date.parse(until))}.</p>}
      {pageInfo.hasNextPage &&
        (canShowMore ? (
          <button type="button" className="button button-small" onClick={onMore}>
            Show older ones
          </button>
        ) : (
          <p className="muted">Older ones stand in the wallet’s activity.</p>
        ))}
      {opened !== null && <Details row={opened} walletId={walletId} onClose={() => setOpened(null)} />}
    </>
  );
}
