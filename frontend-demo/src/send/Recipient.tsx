import { useMemo, useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { troubleOf } from "../graphql/client.js";
import { Icon } from "../ui/Icon.js";
import type { WalletSummary } from "../wallets/queries.js";
import { counterpartiesOf, timesBefore } from "./counterparties.js";
import { COUNTERPARTIES, WALLET_PARTY, type Party } from "./queries.js";

const WALLET_ID = /^wal_[0-9a-z]{26}$/;

interface RecipientProps {
  readonly wallet: WalletSummary;
  readonly chosen: Party | null;
  readonly onChoose: (party: Party | null) => void;
  readonly problem: string | null;
}

/** Choose a recent counterparty, or enter a wallet's id, whose owner is looked up and confirmed before the payment. */
export function Recipient({ wallet, chosen, onChoose, problem }: RecipientProps) {
  const known = useCounterparties(wallet.id);
  const [isOther, setIsOther] = useState(false);
  const offered = isOther ? known : withChosen(known, chosen);
  const showsOther = isOther || offered?.length === 0;
  return (
    <fieldset className="field recipients">
      <legend>To</legend>
      <div className="recipient-list">
        {offered?.map((party) => (
          <label key={party.walletId} className="recipient">
            <input
              type="radio"
              name="recipient"
              checked={!showsOther && chosen?.walletId === party.walletId}
              onChange={() => {
                setIsOther(false);
                onChoose(party);
              }}
            />
            <span className="avatar avatar-small" aria-hidden="true">
              {party.displayName.charAt(0)}
            </span>
            <span className="truncate">
              {party.displayName}
              {party.currency !== wallet.currency && <span className="muted"> · {party.currency}</span>}
            </span>
          </label>
        ))}
        <label className="recipient">
          <input
            type="radio"
            name="recipient"
            checked={showsOther}
            onChange={() => {
              setIsOther(true);
              onChoose(null);
            }}
          />
          <span className="avatar avatar-small" aria-hidden="true">
            <Icon name="plus" />
          </span>
          <span>Another wallet</span>
        </label>
      </div>
      {showsOther && <OtherWallet wallet={wallet} chosen={chosen} onChoose={onChoose} />}
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
    </fieldset>
  );
}

/** Adds the chosen recipient to the list if the latest payments were to others. */
function withChosen(known: readonly Party[] | undefined, chosen: Party | null): readonly Party[] | undefined {
  return chosen === null || known?.some(({ walletId }) => walletId === chosen.walletId) ? known : [chosen, ...(known ?? [])];
}

/** Undefined while they are loaded. */
function useCounterparties(walletId: string): readonly Party[] | undefined {
  const [times] = useState(() => timesBefore(Date.now()));
  const { data, isLoading } = useAnswer({ query: COUNTERPARTIES, variables: { walletId, ...times } });
  return useMemo(() => {
    if (data === undefined) {
      return isLoading ? undefined : [];
    }
    return counterpartiesOf(data.wallet, walletId);
  }, [data, isLoading, walletId]);
}

function OtherWallet({ wallet, chosen, onChoose }: Pick<RecipientProps, "wallet" | "chosen" | "onChoose">) {
  const [typed, setTyped] = useState("");
  const id = typed.trim();
  const isId = WALLET_ID.test(id);
  const { data, error, isLoading } = useAnswer({ query: WALLET_PARTY, variables: { walletId: id }, pause: !isId, requestPolicy: "network-only" });
  const found = isId && data?.walletParty?.walletId === id ? data.walletParty : null;
  const isOwn = id === wallet.id;
  return (
    <div className="field">
      <label htmlFor="send-to">The wallet’s id</label>
      <input
        id="send-to"
        className="input mono"
        placeholder="wal_…"
        spellCheck={false}
        autoComplete="off"
        value={typed}
        aria-describedby="send-to-answer"
        onChange={(event) => {
          setTyped(event.target.value);
          onChoose(null);
        }}
      />
      <div id="send-to-answer" role="status">
        {id !== "" && !isId && <p className="muted">An id is wal_ and 26 letters and digits.</p>}
        {isOwn && <p className="field-problem">This is the wallet that pays.</p>}
        {isId && isLoading && <p className="muted">Looking it up…</p>}
        {isId && error !== undefined && <p className="field-problem">{troubleOf(error).message}</p>}
        {isId && !isOwn && data?.walletParty === null && !isLoading && <p className="field-problem">There is no wallet with this id.</p>}
        {found !== null && !isOwn && (
          <div className="party-found">
            <span>
              It belongs to <strong>{found.displayName}</strong> and holds {found.currency}.
            </span>
            {found.currency !== wallet.currency && (
              <span className="muted">
                “{wallet.name}” pays in {wallet.currency}, so the payment is exchanged. You see the price first.
              </span>
            )}
            {chosen?.walletId === found.walletId ? (
              <span className="party-confirmed">
                <Icon name="check" /> Confirmed
              </span>
            ) : (
              <button type="button" className="button button-small" onClick={() => onChoose(found)}>
                Yes, send to {found.displayName}
              </button>
            )}
          </div>
        )}
      </div>
    </div>
  );
}
