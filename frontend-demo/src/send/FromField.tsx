import type { WalletSummary } from "../wallets/queries.js";
import type { Problems } from "./draft.js";

interface FromFieldProps {
  readonly wallets: readonly WalletSummary[];
  readonly wallet: WalletSummary;
  readonly problem: Problems["wallet"];
  readonly onChange: (walletId: string) => void;
}

/** The wallet that pays. */
export function FromField({ wallets, wallet, problem, onChange }: FromFieldProps) {
  return (
    <div className="field">
      <label htmlFor="send-from">From</label>
      <select
        id="send-from"
        className="select"
        value={wallet.id}
        aria-invalid={problem !== null}
        aria-describedby="send-from-problem"
        onChange={(event) => onChange(event.target.value)}
      >
        {wallets.map(({ id, name, currency }) => (
          <option key={id} value={id}>
            {name} · {currency}
          </option>
        ))}
      </select>
      <p id="send-from-problem" className="field-problem" hidden={problem === null}>
        “{wallet.name}” is {problem === "CLOSED" ? "closed" : "frozen"}: nothing can be sent from it. Choose another wallet.
      </p>
    </div>
  );
}
