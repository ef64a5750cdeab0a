import { CopyableId } from "../ui/Copy.js";
import { formatClock } from "../ui/time.js";
import { Problem } from "./useAction.js";
import type { Receiver, ReceiverState } from "./useReceiver.js";

const ANSWERS = [
  [200, "200, accepted"],
  [500, "500, so that it is sent again"],
  [410, "410, so that nothing more is sent"],
] as const;

/** What the demo's receiver got, seen from the other side. */
export function ReceiverCard({ receiver: { state, problem, setAnswer } }: { readonly receiver: Receiver }) {
  return state === null ? null : (
    <section className="card stack" aria-labelledby="receiver">
      <h2 id="receiver">The demo’s receiver</h2>
      <p className="muted">A server to try webhooks with, only in the demo. It verifies each message with the endpoint’s public key and keeps the last 20 since it started.</p>
      <CopyableId id={state.url} label="the receiver’s URL" />
      <div className="field webhook-answer">
        <label htmlFor="receiver-answer">It answers with</label>
        <select id="receiver-answer" className="select" value={state.answer} onChange={(event) => setAnswer(Number(event.target.value))}>
          {ANSWERS.map(([status, words]) => (
            <option key={status} value={status}>
              {words}
            </option>
          ))}
        </select>
      </div>
      <Problem text={problem} />
      {state.posts.length === 0 ? (
        <p className="muted">Nothing has arrived yet.</p>
      ) : (
        <ol className="webhook-posts" aria-label="Messages that arrived, newest first">
          {state.posts.map((post) => (
            <Post key={`${post.at} ${post.message_id}`} post={post} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Post({ post: { at, message_id, problem, answered, body } }: { readonly post: ReceiverState["posts"][number] }) {
  return (
    <li>
      <details>
        <summary>
          <span className="webhook-time">{formatClock(Date.parse(at))}</span>
          <span className={`badge badge-${problem === null ? "good" : "bad"}`}>{problem === null ? "Signature verified" : `Refused: ${problem}`}</span>
          <span className="muted">answered {answered}</span>
        </summary>
        <p className="muted webhook-id">
          webhook-id <code>{message_id}</code>
        </p>
        <pre tabIndex={0} aria-label="The message’s body">
          {pretty(body)}
        </pre>
      </details>
    </li>
  );
}

/** JSON with line breaks; another text, or one that was cut off, as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
