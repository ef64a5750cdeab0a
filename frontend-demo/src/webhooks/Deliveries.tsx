import { useState } from "react";
import { useAccount } from "../session/AccountContext.js";
import { Copy } from "../ui/Copy.js";
import { formatExact } from "../ui/time.js";
import { WEBHOOK_DELIVERIES, type Attempt, type Delivery } from "./queries.js";
import { pretty } from "./ReceiverCard.js";
import { aboutOf, attemptText, nextText, stateOf, type DeliveryState } from "./state.js";
import { Problem, wordsOf } from "./useAction.js";

const STATES: Readonly<Record<DeliveryState, readonly [string, string]>> = {
  delivered: ["Delivered", "good"],
  waiting: ["Waiting", "muted"],
  retrying: ["To be sent again", "warning"],
  parked: ["Parked", "bad"],
};

interface DeliveryListProps {
  readonly label: string;
  readonly deliveries: readonly Delivery[];
  readonly onReplay: (delivery: Delivery) => void;
  readonly canReplay: boolean;
}

export function DeliveryList({ label, deliveries, onReplay, canReplay }: DeliveryListProps) {
  return (
    <ol className="webhook-deliveries" aria-label={label}>
      {deliveries.map((delivery) => (
        <li key={delivery.id}>
          <DeliveryItem delivery={delivery} onReplay={() => onReplay(delivery)} canReplay={canReplay} />
        </li>
      ))}
    </ol>
  );
}

function DeliveryItem({ delivery, onReplay, canReplay }: { readonly delivery: Delivery; readonly onReplay: () => void; readonly canReplay: boolean }) {
  const [words, tone] = STATES[stateOf(delivery)];
  const { id, messageId, createdAt, payload, attempts } = delivery;
  const last = attempts.at(-1);
  const next = nextText(delivery);
  return (
    <details className="webhook-delivery">
      <summary>
        <span className={`badge badge-${tone}`}>{words}</span>
        <span className="webhook-about">{aboutOf(delivery)}</span>
        <span className="muted webhook-last">
          {last === undefined ? "not sent yet" : attemptText(last)}
          {attempts.length > 1 ? `, attempt ${attempts.length}` : ""}
        </span>
      </summary>
      <div className="webhook-details">
        <p className="muted webhook-id">
          {formatExact(createdAt)}, webhook-id <code>{messageId}</code>
          <Copy text={messageId} label="the webhook-id" />
        </p>
        {next !== null && <p className="muted">{next}</p>}
        {attempts.length > 0 && (
          <ol className="webhook-attempts" aria-label={`Attempts of ${id}`}>
            {attempts.map((attempt) => (
              <AttemptItem key={attempt.at} attempt={attempt} />
            ))}
          </ol>
        )}
        {payload !== null && (
          <pre tabIndex={0} aria-label="What was sent">
            {pretty(payload)}
          </pre>
        )}
        <button type="button" className="button button-small" disabled={!canReplay} onClick={onReplay}>
          Send it again
        </button>
      </div>
    </details>
  );
}

function AttemptItem({ attempt }: { readonly attempt: Attempt }) {
  const isGood = attempt.status !== null && attempt.status >= 200 && attempt.status < 300;
  return (
    <li>
      <span className={isGood ? "webhook-good" : "webhook-bad"}>{attemptText(attempt)}</span> <span className="muted">{formatExact(attempt.at)}</span>
      {attempt.responseBody !== null && attempt.responseBody !== "" && (
        <>
          {" "}
          <q className="webhook-answer-body">{attempt.responseBody}</q>
        </>
      )}
    </li>
  );
}

interface OlderProps extends Omit<DeliveryListProps, "label" | "deliveries"> {
  readonly endpointId: string;
  readonly after: string;
}

/** What lies behind the newest, page after page. It does not move while new ones arrive above. */
export function OlderDeliveries({ endpointId, after, ...list }: OlderProps) {
  const { plain } = useAccount();
  const [older, setOlder] = useState<readonly Delivery[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [isOver, setIsOver] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const more = async (): Promise<void> => {
    setProblem(null);
    const { data, error } = await plain.query(WEBHOOK_DELIVERIES, { id: endpointId, after: cursor ?? after }).toPromise();
    if (data?.node == null || !("deliveries" in data.node)) {
      setProblem(wordsOf(error));
      return;
    }
    const { edges, pageInfo } = data.node.deliveries;
    setOlder((known) => [...known, ...edges.map(({ node }) => node)]);
    setCursor(pageInfo.endCursor);
    setIsOver(!pageInfo.hasNextPage);
  };
  return (
    <>
      {older.length > 0 && <DeliveryList label="Older deliveries" deliveries={older} {...list} />}
      <Problem text={problem} />
      {!isOver && (
        <p className="found-more">
          <button type="button" className="button button-small" onClick={() => void more()}>
            Show older deliveries
          </button>
        </p>
      )}
    </>
  );
}
