import { useRef, useState, type SyntheticEvent } from "react";
import { Link } from "wouter";
import { troubleOf } from "../graphql/client.js";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { Dialog } from "../ui/Dialog.js";
import { Icon } from "../ui/Icon.js";
import { Empty } from "../ui/Notice.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import { SET_WALLET_STATUS, WALLET_STATUS, type HotWallet } from "./queries.js";

/** The busiest wallets, and any other by its id, each with a button to freeze it or to let it go on. */
export function Freezer({ hotWallets }: { readonly hotWallets: readonly HotWallet[] }) {
  const [chosen, setChosen] = useState<HotWallet | null>(null);
  const [changed, setChanged] = useState<ReadonlyMap<string, HotWallet["status"]>>(new Map());
  const wallets = hotWallets.map((wallet) => ({ ...wallet, status: changed.get(wallet.id) ?? wallet.status }));
  return (
    <section className="card table-card" aria-labelledby="hot">
      <h2 id="hot" className="table-title">
        Hot wallets
      </h2>
      {wallets.length === 0 ? (
        <Empty icon="activity" title="No entries lately" />
      ) : (
        <ul className="hot-wallets">
          {wallets.map((wallet) => (
            <li key={wallet.id} className="hot-wallet">
              <span className="hot-wallet-text">
                <Link href={`/wallets/${wallet.id}`} className="truncate">
                  {wallet.owner === null ? wallet.name : `${wallet.owner.displayName}: ${wallet.name}`}
                </Link>
                <span className="muted">
                  <MoneyText money={wallet.balance} />
                </span>
              </span>
              <StatusBadge status={wallet.status} />
              {wallet.kind === "USER" && wallet.status !== "CLOSED" && (
                <button type="button" className="button button-small" onClick={() => setChosen(wallet)}>
                  <Icon name="snow" /> {wallet.status === "FROZEN" ? "Unfreeze" : "Freeze"}
                  <span className="visually-hidden"> {wallet.name}</span>
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <FindWallet onFound={setChosen} />
      {chosen !== null && (
        <Dialog title={`${chosen.status === "FROZEN" ? "Unfreeze" : "Freeze"} “${chosen.name}”`} onClose={() => setChosen(null)}>
          <StatusForm
            wallet={chosen}
            onDone={(status) => {
              setChanged((known) => new Map(known).set(chosen.id, status));
              setChosen(null);
            }}
          />
        </Dialog>
      )}
    </section>
  );
}

function FindWallet({ onFound }: { readonly onFound: (wallet: HotWallet) => void }) {
  const { plain } = useAccount();
  const [id, setId] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const find = async (): Promise<void> => {
    const { data, error } = await plain.query(WALLET_STATUS, { id: id.trim() }).toPromise();
    setProblem(error === undefined ? (data?.wallet ? null : "There is no such wallet.") : troubleOf(error).message);
    if (data?.wallet) {
      onFound(data.wallet);
    }
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void find();
  };
  return (
    <form className="find-wallet" onSubmit={submit}>
      <label htmlFor="find-wallet">Another wallet</label>
      <input id="find-wallet" className="input mono" placeholder="wal_…" required spellCheck={false} autoComplete="off" value={id} onChange={(event) => setId(event.target.value)} />
      <button type="submit" className="button">
        Find it
      </button>
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

function StatusForm({ wallet, onDone }: { readonly wallet: HotWallet; readonly onDone: (status: HotWallet["status"]) => void }) {
  const { plain } = useAccount();
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const status = wallet.status === "FROZEN" ? "ACTIVE" : "FROZEN";
  const reasonField = useRef<HTMLInputElement>(null);
  const change = async (): Promise<void> => {
    if (reason.trim() === "") {
      setProblem("Say why: the reason is kept.");
      reasonField.current?.focus();
      return;
    }
    const { data, error } = await plain.mutation(SET_WALLET_STATUS, { input: { walletId: wallet.id, status, reason } }).toPromise();
    const payload = data?.setWalletStatus;
    if (payload?.wallet) {
      onDone(payload.wallet.status);
    } else {
      setProblem(payload?.userErrors.map(refusalText).join(" ") ?? (error === undefined ? "There was no answer." : troubleOf(error).message));
    }
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void change();
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p className="muted">
        {status === "FROZEN" ? "A frozen wallet neither sends nor receives. Its balance stays." : "The wallet can send and receive again."} The reason is kept in the audit log.
      </p>
      <div className="field">
        <label htmlFor="reason">Reason</label>
        <input ref={reasonField} id="reason" className="input" required aria-describedby="reason-problem" maxLength={lengthLimit(280)} autoComplete="off" value={reason} onChange={(event) => setReason(event.target.value)} />
      </div>
      {problem !== null && (
        <p id="reason-problem" className="field-problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="button button-primary">
        {status === "FROZEN" ? "Freeze it" : "Unfreeze it"}
      </button>
    </form>
  );
}
