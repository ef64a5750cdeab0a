import "./webhooks.css";
import { useState } from "react";
import { Link } from "wouter";
import { useAnswer } from "../graphql/useAnswer.js";
import { useEvery } from "../graphql/useEvery.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { useAccount } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import { CopyableId } from "../ui/Copy.js";
import { Empty, Notice, PagePending } from "../ui/Notice.js";
import { formatExact } from "../ui/time.js";
import { useTitle } from "../ui/title.js";
import { Actions } from "./Actions.js";
import { DeliveryList, OlderDeliveries } from "./Deliveries.js";
import { forgetSecret, freshSecret } from "./freshSecrets.js";
import { REPLAY_WEBHOOKS, WEBHOOK_ENDPOINT, type Delivery, type Endpoint } from "./queries.js";
import { pretty, ReceiverCard } from "./ReceiverCard.js";
import { Secret } from "./Secret.js";
import { aboutOf, sourceOf, stateOf } from "./state.js";
import { EndpointStatus } from "./Status.js";
import { Problem, useAction } from "./useAction.js";
import { useReceiver } from "./useReceiver.js";

const LOOK_EVERY_MILLISECONDS = 2_000;

/** An endpoint: what can be done with it, and its deliveries as they happen. */
export function EndpointPage({ id }: { readonly id: string }) {
  const { name } = useAccount();
  const { data, error, again } = useAnswer({ query: WEBHOOK_ENDPOINT, variables: { id } });
  useTitle("Webhook endpoint");
  useEvery(LOOK_EVERY_MILLISECONDS, again);
  if (data === undefined) {
    return <PagePending title="Webhook endpoint" label="Loading the endpoint" error={error} again={again} />;
  }
  return data.node === null || !("publicKey" in data.node) ? (
    <Empty isPage icon="hook" title="There is no such endpoint">
      <p className="muted">Or it is not {name}’s.</p>
      <Link href="/webhooks" className="button">
        To the endpoints
      </Link>
    </Empty>
  ) : (
    <Loaded endpoint={data.node} again={again} />
  );
}

function Loaded({ endpoint, again }: { readonly endpoint: Endpoint; readonly again: () => void }) {
  const { demo } = useSession();
  const receiver = useReceiver(demo !== null);
  const [secret, setSecret] = useState(() => freshSecret(endpoint.id));
  const { id, url, document, variables, status, publicKey, ordered, createdAt } = endpoint;
  const stored = (): void => {
    forgetSecret(id);
    setSecret(null);
  };
  return (
    <div className="stack-large">
      <p>
        <Link href="/webhooks">Webhooks</Link>
      </p>
      <section className="card stack" aria-label="Endpoint">
        <div className="transaction-top">
          <h1 className="webhook-url">{url}</h1>
          <EndpointStatus status={status} />
        </div>
        {secret !== null && <Secret secret={secret} onStored={stored} />}
        <Actions endpoint={endpoint} onChange={again} onSecret={setSecret} />
        <dl className="facts">
          <dt>Sends</dt>
          <dd>
            {sourceOf(document)}, {ordered ? "in each wallet’s order" : "as they come"}
          </dd>
          <dt>Created</dt>
          <dd>{formatExact(createdAt)}</dd>
          <dt>Public key</dt>
          <dd>
            <CopyableId id={publicKey} label="the public key" />
          </dd>
          <dt>Endpoint</dt>
          <dd>
            <CopyableId id={id} label="the endpoint’s id" />
          </dd>
        </dl>
        <details className="webhook-document">
          <summary>Its subscription</summary>
          <pre tabIndex={0} aria-label="The subscription">
            {document}
          </pre>
          {variables !== null && (
            <pre tabIndex={0} aria-label="Its variables">
              {pretty(variables)}
            </pre>
          )}
        </details>
      </section>
      <Deliveries endpoint={endpoint} again={again} />
      {receiver.state?.url === url && <ReceiverCard receiver={receiver} />}
      <Operations operations={[operationOf(WEBHOOK_ENDPOINT, { id })]} />
    </div>
  );
}

function Deliveries({ endpoint: { id, newest, failing, ordered, status }, again }: { readonly endpoint: Endpoint; readonly again: () => void }) {
  const { isRunning, problem, run } = useAction();
  const replay = async (delivery: Delivery): Promise<void> => {
    await run(REPLAY_WEBHOOKS, { input: { endpointId: id, from: { deliveryId: delivery.id } } }, (data) => data.replayWebhooks);
    again();
  };
  const list = { onReplay: (delivery: Delivery) => void replay(delivery), canReplay: !isRunning && status !== "DISABLED_FAILING" };
  const failed = failing.edges.map(({ node }) => node);
  const parked = failed.filter((delivery) => stateOf(delivery) === "parked");
  const { endCursor, hasNextPage } = newest.pageInfo;
  return (
    <section className="card table-card" aria-labelledby="deliveries">
      <h2 id="deliveries" className="table-title">
        Deliveries <span className="muted">they appear and change by themselves</span>
      </h2>
      <Problem text={problem} />
      {parked.length > 0 && (
        <div className="webhook-parked">
          <Notice tone="bad" icon="alert" title={parked.length === 1 ? "An event is parked" : `${parked.length} events are parked`}>
            <p>{ordered ? "It was refused to the end. Later events of its wallet wait until it is sent again and accepted; other wallets go on." : "They were refused to the end. Only you can send them again."}</p>
            <ul>
              {parked.map((delivery) => (
                <li key={delivery.id}>{aboutOf(delivery)}</li>
              ))}
            </ul>
          </Notice>
          <DeliveryList label="Parked deliveries" deliveries={parked} {...list} />
        </div>
      )}
      {newest.edges.length === 0 ? (
        <p className="found-none muted">Nothing yet. Send a test, or make something happen: a payment to or from the wallet.</p>
      ) : (
        <DeliveryList label="Deliveries, newest first" deliveries={newest.edges.map(({ node }) => node)} {...list} />
      )}
      {hasNextPage && endCursor !== null && <OlderDeliveries endpointId={id} after={endCursor} {...list} />}
    </section>
  );
}
