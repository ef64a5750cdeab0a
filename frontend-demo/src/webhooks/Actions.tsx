import { useState, type SyntheticEvent } from "react";
import { useLocation } from "wouter";
import { Dialog } from "../ui/Dialog.js";
import { Notice } from "../ui/Notice.js";
import { DELETE_WEBHOOK_ENDPOINT, REPLAY_WEBHOOKS, ROTATE_WEBHOOK_SECRET, SET_WEBHOOK_STATUS, TEST_WEBHOOK, type Endpoint, type WebhookTest } from "./queries.js";
import { Problem, useAction } from "./useAction.js";

interface ActionsProps {
  readonly endpoint: Endpoint;
  readonly onChange: () => void;
  readonly onSecret: (secret: string) => void;
}

/** What can be done with an endpoint as a whole. */
export function Actions({ endpoint: { id, status }, onChange, onSecret }: ActionsProps) {
  const { isRunning, problem, run } = useAction();
  const [, go] = useLocation();
  const [dialog, setDialog] = useState<"rotate" | "replay" | "delete" | null>(null);
  const [tested, setTested] = useState<WebhookTest | null>(null);
  const [scheduled, setScheduled] = useState<number | null>(null);
  const setStatus = async (wanted: "ENABLED" | "PAUSED"): Promise<void> => {
    await run(SET_WEBHOOK_STATUS, { input: { endpointId: id, status: wanted } }, (data) => data.setWebhookStatus);
    onChange();
  };
  const test = async (): Promise<void> => {
    setTested(null);
    setTested(await run(TEST_WEBHOOK, { endpointId: id }, (data) => data.testWebhook));
    onChange();
  };
  const rotate = async (overlap: number): Promise<void> => {
    const done = await run(ROTATE_WEBHOOK_SECRET, { input: { endpointId: id, overlap } }, (data) => data.rotateWebhookSecret);
    setDialog(null);
    if (done?.secret != null) {
      onSecret(done.secret);
      onChange();
    }
  };
  const remove = async (): Promise<void> => {
    const done = await run(DELETE_WEBHOOK_ENDPOINT, { endpointId: id }, (data) => data.deleteWebhookEndpoint);
    setDialog(null);
    if (done !== null) {
      go("/webhooks");
    }
  };
  const replay = async (since: string): Promise<void> => {
    const done = await run(REPLAY_WEBHOOKS, { input: { endpointId: id, from: { since } } }, (data) => data.replayWebhooks);
    setDialog(null);
    setScheduled(done?.scheduled ?? null);
    onChange();
  };
  return (
    <>
      {status === "DISABLED_FAILING" && (
        <Notice tone="bad" icon="alert" title="It is disabled: it answered 410, or accepted nothing for two days">
          <p>Nothing is lost: repair the receiver, then enable the endpoint. It goes on where it stopped.</p>
          <button type="button" className="button button-small" disabled={isRunning} onClick={() => void setStatus("ENABLED")}>
            Enable it again
          </button>
        </Notice>
      )}
      {status === "PAUSED" && (
        <Notice tone="warning" icon="alert" title="It is paused">
          <p>Nothing is lost: it goes on where it stopped when it is resumed.</p>
        </Notice>
      )}
      <div className="form-actions">
        <button type="button" className="button button-primary" disabled={isRunning} onClick={() => void test()}>
          Send a test
        </button>
        {status !== "DISABLED_FAILING" && (
          <button type="button" className="button" disabled={isRunning} onClick={() => void setStatus(status === "PAUSED" ? "ENABLED" : "PAUSED")}>
            {status === "PAUSED" ? "Resume" : "Pause"}
          </button>
        )}
        <button type="button" className="button" onClick={() => setDialog("replay")}>
          Send again since…
        </button>
        <button type="button" className="button" onClick={() => setDialog("rotate")}>
          New secret…
        </button>
        <button type="button" className="button button-danger" onClick={() => setDialog("delete")}>
          Delete…
        </button>
      </div>
      <div role="status">
        {isRunning && <p className="muted">Sending…</p>}
        {tested !== null && <p>{testText(tested)}</p>}
        {scheduled !== null && <p>{scheduled === 0 ? "There was nothing to send again." : `${scheduled} ${scheduled === 1 ? "delivery is" : "deliveries are"} sent again.`}</p>}
      </div>
      <Problem text={problem} />
      {dialog === "rotate" && (
        <Dialog title="A new secret" onClose={() => setDialog(null)}>
          <RotateForm isRunning={isRunning} onDone={(overlap) => void rotate(overlap)} />
        </Dialog>
      )}
      {dialog === "delete" && (
        <Dialog title="Delete the endpoint" onClose={() => setDialog(null)}>
          <div className="stack">
            <p>Its secrets and its deliveries are deleted with it, and nothing more is sent. To stop it for a while, pause it.</p>
            <button type="button" className="button button-danger" disabled={isRunning} onClick={() => void remove()}>
              Yes, delete it
            </button>
          </div>
        </Dialog>
      )}
      {dialog === "replay" && (
        <Dialog title="Send again since" onClose={() => setDialog(null)}>
          <SinceForm isRunning={isRunning} onDone={(since) => void replay(since)} />
        </Dialog>
      )}
    </>
  );
}

export function testText({ status, error }: WebhookTest): string {
  if (status === null) {
    return error === null ? "The test has no answer yet. It is sent by the worker; see the deliveries." : `The test got no answer: ${error}.`;
  }
  return status >= 200 && status < 300 ? `The test was accepted with ${status}.` : `The test was answered with ${status}, so it was not accepted.`;
}

const OVERLAPS = [
  [86_400, "a day"],
  [3_600, "an hour"],
  [604_800, "a week"],
  [0, "not at all: the old secret is known to others"],
] as const;

function RotateForm({ isRunning, onDone }: { readonly isRunning: boolean; readonly onDone: (overlap: number) => void }) {
  const [overlap, setOverlap] = useState(86_400);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    onDone(overlap);
  };
  return (
    <form className="stack" onSubmit={submit}>
      <p className="muted">It replaces the secret and the public key. Meanwhile messages are signed with the old ones too.</p>
      <div className="field">
        <label htmlFor="webhook-overlap">The old ones still sign for</label>
        <select id="webhook-overlap" className="select" value={overlap} onChange={(event) => setOverlap(Number(event.target.value))}>
          {OVERLAPS.map(([seconds, words]) => (
            <option key={seconds} value={seconds}>
              {words}
            </option>
          ))}
        </select>
      </div>
      <button type="submit" className="button button-primary" disabled={isRunning}>
        Make a new secret
      </button>
    </form>
  );
}

function SinceForm({ isRunning, onDone }: { readonly isRunning: boolean; readonly onDone: (since: string) => void }) {
  const [since, setSince] = useState(() => localTime(Date.now() - 3_600_000));
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const moment = new Date(since);
    if (Number.isNaN(moment.getTime())) {
      setProblem("Since when?");
    } else {
      onDone(moment.toISOString());
    }
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p className="muted">Each event since then is sent again with the webhook-id that it had, so a receiver drops those that it knows.</p>
      <div className="field">
        <label htmlFor="webhook-since">Since, in your time zone</label>
        <input id="webhook-since" className="input" type="datetime-local" value={since} aria-invalid={problem !== null} aria-describedby="webhook-since-problem" onChange={(event) => setSince(event.target.value)} />
        <p id="webhook-since-problem" className="field-problem" hidden={problem === null}>
          {problem}
        </p>
      </div>
      <button type="submit" className="button button-primary" disabled={isRunning}>
        Send them again
      </button>
    </form>
  );
}

/** As an input of type datetime-local has it: minutes, in the browser's time zone. */
export function localTime(milliseconds: number): string {
  const moment = new Date(milliseconds);
  return new Date(milliseconds - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
