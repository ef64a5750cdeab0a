import { useRef, useState, type SyntheticEvent } from "react";
import { troubleOf } from "../graphql/client.js";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import { SET_WALLET_STATUS, type HotWallet } from "./queries.js";

export type StatusWallet = Pick<HotWallet, "id" | "name" | "status" | "balance" | "owner">;

/** What is said after a change. */
export function statusText(name: string, status: HotWallet["status"]): string {
  return `“${name}” is ${status === "FROZEN" ? "frozen" : "active"} now.`;
}

/** Freezes a wallet, or lets it go on, for a reason. */
export function StatusForm({ wallet, onDone }: { readonly wallet: StatusWallet; readonly onDone: (status: HotWallet["status"]) => void }) {
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
      <p>
        “{wallet.name}” of <strong>{wallet.owner?.displayName ?? "the system"}</strong> has <MoneyText money={wallet.balance} />.
      </p>
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
