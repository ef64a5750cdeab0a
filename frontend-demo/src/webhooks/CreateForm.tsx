import { useRef, useState, type SyntheticEvent } from "react";
import { newKey } from "../paycore-pay/index.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";
import { useOwnWallets } from "../wallets/useOwnWallets.js";
import { EXAMPLES, type Example } from "./examples.js";
import { CREATE_WEBHOOK_ENDPOINT } from "./queries.js";
import { wordsOf } from "./useAction.js";

const FIELDS = ["url", "document", "variables"] as const;
type Field = (typeof FIELDS)[number];
type Problems = Partial<Record<Field | "form", string>>;

interface CreateFormProps {
  /** The demo's receiver, or null. */
  readonly receiverUrl: string | null;
  readonly onCreated: (id: string, secret: string | null) => void;
}

const FIRST: Example = EXAMPLES[0] ?? { name: "", document: "", variables: () => "" };

/** A URL and a subscription document. The key is kept until the outcome is known: sending the same again creates no second one. */
export function CreateForm({ receiverUrl, onCreated }: CreateFormProps) {
  const { plain } = useAccount();
  const { wallets } = useOwnWallets();
  const wallet = wallets?.[0]?.id ?? null;
  const [key, setKey] = useState(newKey);
  const [url, setUrl] = useState("");
  const [example, setExample] = useState(FIRST);
  const [document, setDocument] = useState(FIRST.document);
  // Until somebody types: the example's, which names a wallet as soon as the wallets are known.
  const [typed, setTyped] = useState<string | null>(null);
  const variables = typed ?? example.variables(wallet);
  const [isOrdered, setIsOrdered] = useState(true);
  const [isSending, setIsSending] = useState(false);
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);
  const changed = (change: () => void): void => {
    change();
    // With other input it would be refused under the same key.
    setKey(newKey());
  };
  const fail = (found: Problems): void => {
    setProblems(found);
    const first = FIELDS.find((name) => found[name] !== undefined);
    if (first !== undefined) {
      form.current?.querySelector<HTMLElement>(`#webhook-${first}`)?.focus();
    }
  };
  const submit = async (): Promise<void> => {
    if (isSending) {
      return;
    }
    if (url.trim() === "") {
      fail({ url: "Where should the events go?" });
      return;
    }
    setProblems({});
    setIsSending(true);
    const input = { idempotencyKey: key, url: url.trim(), document, variables: variables.trim() === "" ? null : variables, ordered: isOrdered };
    const { data, error } = await plain.mutation(CREATE_WEBHOOK_ENDPOINT, { input }).toPromise();
    setIsSending(false);
    const payload = data?.createWebhookEndpoint;
    if (payload?.endpoint) {
      onCreated(payload.endpoint.id, payload.secret);
    } else if (payload) {
      setKey(newKey());
      fail(problemsOf(payload.userErrors));
    } else {
      fail({ form: wordsOf(error) });
    }
  };
  const onSubmit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void submit();
  };
  return (
    <form ref={form} className="stack" onSubmit={onSubmit} noValidate>
      <div className="field">
        <label htmlFor="webhook-url">URL</label>
        <input id="webhook-url" className="input" type="url" autoComplete="off" placeholder="https://shop.example.com/paycore" value={url} {...describedBy("url", problems)} onChange={(event) => changed(() => setUrl(event.target.value))} />
        <FieldProblem name="url" problems={problems} />
        {receiverUrl !== null && url !== receiverUrl && (
          <div>
            <button type="button" className="button button-small" onClick={() => changed(() => setUrl(receiverUrl))}>
              Use the demo’s receiver
            </button>
          </div>
        )}
      </div>
      <div className="field">
        <label htmlFor="webhook-example">Begin with</label>
        <select
          id="webhook-example"
          className="select"
          value={example.name}
          onChange={(event) => {
            const chosen = EXAMPLES.find(({ name }) => name === event.target.value) ?? FIRST;
            changed(() => {
              setExample(chosen);
              setDocument(chosen.document);
              setTyped(null);
            });
          }}
        >
          {EXAMPLES.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      <div className="field">
        <label htmlFor="webhook-document">Subscription: its answer is what is sent</label>
        <textarea id="webhook-document" className="input mono webhook-text" rows={10} spellCheck={false} value={document} {...describedBy("document", problems)} onChange={(event) => changed(() => setDocument(event.target.value))} />
        <FieldProblem name="document" problems={problems} />
      </div>
      <div className="field">
        <label htmlFor="webhook-variables">Variables, a JSON object</label>
        <textarea id="webhook-variables" className="input mono webhook-text" rows={2} spellCheck={false} value={variables} {...describedBy("variables", problems)} onChange={(event) => changed(() => setTyped(event.target.value))} />
        <FieldProblem name="variables" problems={problems} />
      </div>
      <label className="webhook-ordered">
        <input type="checkbox" checked={isOrdered} onChange={(event) => changed(() => setIsOrdered(event.target.checked))} />
        <span>Keep each wallet’s order: the next event is sent when the one before was accepted</span>
      </label>
      {problems.form !== undefined && (
        <p className="field-problem" role="alert">
          {problems.form}
        </p>
      )}
      <button type="submit" className="button button-primary" disabled={isSending}>
        {isSending ? "Creating…" : "Create it"}
      </button>
    </form>
  );
}

/** By the field that the service names; what names none belongs to the form. */
export function problemsOf(refusals: readonly { readonly code: string; readonly message: string; readonly path?: readonly string[] | null }[]): Problems {
  const found: Problems = {};
  for (const refusal of refusals) {
    const field = FIELDS.find((name) => name === refusal.path?.at(-1)) ?? "form";
    const text = refusal.code === "QUOTA_EXCEEDED" ? refusal.message : refusalText(refusal);
    found[field] = found[field] === undefined ? text : `${found[field]} ${text}`;
  }
  return found;
}

function describedBy(name: Field, problems: Problems) {
  return { "aria-invalid": problems[name] !== undefined, "aria-describedby": `webhook-${name}-problem` };
}

function FieldProblem({ name, problems }: { readonly name: Field; readonly problems: Problems }) {
  return (
    <p id={`webhook-${name}-problem`} className="field-problem" hidden={problems[name] === undefined}>
      {problems[name]}
    </p>
  );
}
