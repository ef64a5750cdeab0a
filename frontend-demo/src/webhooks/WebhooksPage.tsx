import "./webhooks.css";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { useEvery } from "../graphql/useEvery.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useSession } from "../session/SessionContext.js";
import { Dialog } from "../ui/Dialog.js";
import { Icon } from "../ui/Icon.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { formatDay } from "../ui/time.js";
import { useTitle } from "../ui/title.js";
import { CreateForm } from "./CreateForm.js";
import { ReceiverCard } from "./ReceiverCard.js";
import { keepSecret } from "./freshSecrets.js";
import { WEBHOOK_ENDPOINTS, type ListedEndpoint } from "./queries.js";
import { sourceOf } from "./state.js";
import { EndpointStatus } from "./Status.js";
import { useReceiver } from "./useReceiver.js";

export const LOOK_EVERY_MILLISECONDS = 2_000;

/** Where one's own events are sent. */
export function WebhooksPage() {
  useTitle("Webhooks");
  const { demo } = useSession();
  const [, go] = useLocation();
  const [isCreating, setIsCreating] = useState(false);
  const { data, error, again } = useAnswer({ query: WEBHOOK_ENDPOINTS });
  const receiver = useReceiver(demo !== null);
  useEvery(LOOK_EVERY_MILLISECONDS, again);
  const endpoints = data?.webhookEndpoints.edges.map(({ node }) => node);
  const onCreated = (id: string, secret: string | null): void => {
    keepSecret(id, secret);
    go(`/webhooks/${id}`);
  };
  return (
    <div className="stack-large">
      <div className="page-top">
        <h1>Webhooks</h1>
        <button type="button" className="button button-primary" onClick={() => setIsCreating(true)}>
          <Icon name="plus" /> New endpoint
        </button>
      </div>
      <p className="lead">Your events, sent to your server: each is the answer of a subscription that you choose, signed, in order, until it is accepted.</p>
      {endpoints === undefined && (error === undefined ? <Skeleton label="Loading the endpoints" /> : <QueryFailed error={error} onRetry={again} />)}
      {endpoints?.length === 0 && (
        <Empty icon="hook" title="No endpoints yet">
          <p className="muted">{demo === null ? "Create one for a server of yours." : "Create one for a server of yours, or for the demo’s receiver."}</p>
        </Empty>
      )}
      {endpoints !== undefined && endpoints.length > 0 && (
        <section className="card table-card" aria-labelledby="endpoints">
          <h2 id="endpoints" className="table-title">
            Endpoints
          </h2>
          <ul className="webhook-list">
            {endpoints.map((endpoint) => (
              <li key={endpoint.id}>
                <EndpointRow endpoint={endpoint} />
              </li>
            ))}
          </ul>
          {data?.webhookEndpoints.pageInfo.hasNextPage === true && <p className="found-more muted">The newest 50 are shown.</p>}
        </section>
      )}
      {receiver.state !== null && <ReceiverCard receiver={receiver} />}
      <Operations operations={[operationOf(WEBHOOK_ENDPOINTS, {})]} />
      {isCreating && (
        <Dialog title="New endpoint" className="dialog dialog-wide" onClose={() => setIsCreating(false)}>
          <CreateForm receiverUrl={receiver.state?.url ?? null} onCreated={onCreated} />
        </Dialog>
      )}
    </div>
  );
}

function EndpointRow({ endpoint: { id, url, document, status, createdAt, oldestUndelivered } }: { readonly endpoint: ListedEndpoint }) {
  const isParked = oldestUndelivered !== null && oldestUndelivered.nextAttemptAt === null;
  return (
    <Link href={`/webhooks/${id}`} className="webhook-row">
      <span className="webhook-row-text">
        <span className="truncate webhook-url">{url}</span>
        <span className="muted">
          {sourceOf(document)}, since {formatDay(createdAt)}
        </span>
      </span>
      {isParked && <span className="badge badge-bad">An event is parked</span>}
      {!isParked && oldestUndelivered !== null && <span className="badge badge-warning">Events wait</span>}
      <EndpointStatus status={status} />
    </Link>
  );
}
