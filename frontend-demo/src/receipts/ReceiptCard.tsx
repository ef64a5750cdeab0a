import "./receipts.css";
import { useState } from "react";
import { lazyPart } from "../app/lazyPage.js";
import { useAnswer } from "../graphql/useAnswer.js";
import { useEvery } from "../graphql/useEvery.js";
import { useExponent } from "../money/CurrenciesContext.js";
import { Copy } from "../ui/Copy.js";
import { download } from "../ui/download.js";
import { Notice, QueryFailed, Skeleton } from "../ui/Notice.js";
import { formatExact } from "../ui/time.js";
import { signedSize } from "./bare.js";
import { differences, type Difference, type Shown } from "./comparison.js";
import { RECEIPT, type LogHead } from "./queries.js";
import { Steps } from "./Steps.js";
import { useVerification, type Outcome } from "./useVerification.js";

const QrCode = lazyPart(async () => (await import("./QrCode.js")).QrCode, <Skeleton label="Drawing the code" />);
const EVERY_MILLISECONDS = 2_000;

/** The receipt of a settled transaction, which this browser can check. */
export function ReceiptCard({ shown }: { readonly shown: Shown }) {
  const { data, error, again } = useAnswer({ query: RECEIPT, variables: { id: shown.id } });
  const receipt = data?.transaction?.receipt ?? null;
  const proof = receipt?.proof ?? null;
  useEvery(data === undefined || proof !== null ? null : EVERY_MILLISECONDS, again);
  return (
    <section className="card stack" aria-labelledby="receipt">
      <h2 id="receipt">Receipt</h2>
      {data === undefined && (error === undefined ? <Skeleton label="Loading the receipt" /> : <QueryFailed error={error} onRetry={again} />)}
      {data !== undefined && (receipt === null || proof === null) && <NotReady index={receipt?.index ?? null} head={data.checkpoint} />}
      {receipt !== null && proof !== null && <Ready index={receipt.index} proof={proof} head={data?.checkpoint ?? null} shown={shown} />}
    </section>
  );
}

function NotReady({ index, head }: { readonly index: string | null; readonly head: LogHead | null }) {
  return (
    <div role="status">
      <p>{index === null ? "The transaction is not in the log yet. That takes about a second." : `It is leaf ${index} of the log. The receipt waits for the next checkpoint.`}</p>
      <p className="muted">{head === null ? "This service has not signed a checkpoint yet." : `The newest checkpoint has ${head.size} leaves.`} This goes on by itself.</p>
    </div>
  );
}

interface ReadyProps {
  readonly index: string;
  readonly proof: string;
  readonly head: LogHead | null;
  readonly shown: Shown;
}

function Ready({ index, proof, head, shown }: ReadyProps) {
  const [key, setKey] = useState(head?.publicKey ?? "");
  const [hasCode, setHasCode] = useState(false);
  const { found, verify } = useVerification();
  const size = signedSize(proof);
  // The newest checkpoint may be another one than the receipt's.
  const isOfHead = head !== null && head.size === size;
  return (
    <>
      <p className="muted">It proves with the log’s public key alone that this transaction is in the log as it is here, and that nobody changed it since.</p>
      <dl className="facts receipt-facts">
        <dt>Leaf</dt>
        <dd>{index}</dd>
        <dt>Log</dt>
        <dd>{size} leaves</dd>
        {head !== null && (
          <>
            <dt>Checkpoint</dt>
            <dd>
              <bdi>{head.origin}</bdi>
            </dd>
          </>
        )}
        {isOfHead && (
          <>
            <dt>Signed</dt>
            <dd>{formatExact(head.at)}</dd>
          </>
        )}
        {isOfHead && head.cosignedBy.length > 0 && (
          <>
            <dt>Witnesses</dt>
            <dd>{head.cosignedBy.join(", ")}</dd>
          </>
        )}
      </dl>
      <div className="field">
        <label htmlFor="receipt-key">The log’s public key</label>
        <input
          id="receipt-key"
          className="input mono"
          autoComplete="off"
          spellCheck={false}
          value={key}
          aria-describedby="receipt-key-hint"
          onChange={(event) => setKey(event.target.value.trim())}
        />
        <p id="receipt-key-hint" className="muted">
          {head?.publicKey ? "This key comes from the same service. A key that you have from elsewhere, such as the operator’s website, proves more: paste it here." : "This service does not say its key. Paste the one that the operator has published."}
        </p>
      </div>
      <div className="form-actions">
        <button type="button" className="button button-primary" disabled={key === ""} onClick={() => verify(proof, key)}>
          Verify in this browser
        </button>
        <button type="button" className="button" onClick={() => download([proof], "text/plain", `${shown.id}.tlog-proof`)}>
          Download
        </button>
        <button type="button" className="button" aria-expanded={hasCode} onClick={() => setHasCode((before) => !before)}>
          QR code
        </button>
        <Copy text={proof} label="the receipt" />
      </div>
      {found !== null && (
        <div aria-live="polite" className="stack">
          <Steps found={found} />
          {found.outcome !== null && <Result outcome={found.outcome} shown={shown} />}
        </div>
      )}
      {hasCode && <QrCode receipt={proof} />}
    </>
  );
}

function Result({ outcome, shown }: { readonly outcome: Outcome; readonly shown: Shown }) {
  const exponent = useExponent(shown.amount.currency);
  if (outcome.kind === "cannot") {
    return (
      <Notice tone="warning" icon="alert" title="This browser cannot check the receipt.">
        <p>
          {outcome.reason}. That says nothing about the receipt. Download it and use <code>paycore receipt verify</code>, or a newer browser.
        </p>
      </Notice>
    );
  }
  if (outcome.kind === "refused") {
    return (
      <Notice tone="bad" icon="cross" title="The receipt is not valid">
        <p>{outcome.reason}.</p>
      </Notice>
    );
  }
  const different = exponent === undefined ? [] : differences(outcome.proved, shown, exponent);
  return different.length === 0 ? (
    <Notice tone="good" icon="check" title="The receipt is valid, and this page says the same" />
  ) : (
    <Notice tone="bad" icon="alert" title="The receipt is valid, but this page says something else">
      <Differences different={different} />
    </Notice>
  );
}

export function Differences({ different }: { readonly different: readonly Difference[] }) {
  return (
    <ul className="differences">
      {different.map(({ field, proved, shown }) => (
        <li key={field}>
          {field}: the receipt proves <q>{proved}</q>, the service says <q>{shown}</q>
        </li>
      ))}
    </ul>
  );
}
