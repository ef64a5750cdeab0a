import { useState, type SyntheticEvent } from "react";
import { Link } from "wouter";
import { troubleOf } from "../graphql/client.js";
import { MoneyText } from "../money/Money.js";
import { useAccount } from "../session/AccountContext.js";
import { StatusBadge } from "../ui/Badge.js";
import { Dialog } from "../ui/Dialog.js";
import { Icon } from "../ui/Icon.js";
import { Empty } from "../ui/Notice.js";
import { StatusForm, statusText } from "./StatusForm.js";
import { WALLET_STATUS, type HotWallet } from "./queries.js";

/** The busiest wallets, and any other by its id, each with a button to freeze it or to let it go on. */
export function Freezer({ hotWallets }: { readonly hotWallets: readonly HotWallet[] }) {
  const [chosen, setChosen] = useState<HotWallet | null>(null);
  const [changed, setChanged] = useState<ReadonlyMap<string, HotWallet["status"]>>(new Map());
  const [said, setSaid] = useState("");
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
      <p className="visually-hidden" role="status">
        {said}
      </p>
      <FindWallet onFound={setChosen} />
      {chosen !== null && (
        <Dialog title={`${chosen.status === "FROZEN" ? "Unfreeze" : "Freeze"} “${chosen.name}”`} onClose={() => setChosen(null)}>
          <StatusForm
            wallet={chosen}
            onDone={(status) => {
              setChanged((known) => new Map(known).set(chosen.id, status));
              setSaid(statusText(chosen.name, status));
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
