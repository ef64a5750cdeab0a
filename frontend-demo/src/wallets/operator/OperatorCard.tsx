import "./operator.css";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { StatusForm, statusText, type StatusWallet } from "../../control/StatusForm.js";
import type { Money } from "../../money/format.js";
import { Dialog } from "../../ui/Dialog.js";
import { Icon } from "../../ui/Icon.js";
import { DepositDialog } from "./DepositDialog.js";
import { DepositOutcome } from "./DepositOutcome.js";
import { useDeposit } from "./useDeposit.js";

export interface OperatedWallet extends StatusWallet {
  readonly balance: Money;
  readonly owner: { readonly id: string; readonly displayName: string } | null;
}

/** What an administrator may do with a user's wallet. */
export function OperatorCard({ wallet }: { readonly wallet: OperatedWallet }) {
  const { state, deposit, retry, clear } = useDeposit(wallet.id);
  const [open, setOpen] = useState<"deposit" | "status" | null>(null);
  const [said, setSaid] = useState("");
  const close = (): void => setOpen(null);
  const isBusy = state.phase === "sending" || state.phase === "unknown";
  const depositButton = useFocusAfter(state.phase === "draft");
  const acceptFee = (maxFee: Money): void => {
    if (state.phase === "refused") {
      deposit({ amount: state.input.amount, description: state.input.description ?? null, maxFee });
    }
  };
  const isFrozen = wallet.status === "FROZEN";
  return (
    <section className="card stack operator" aria-labelledby="operator">
      <h2 id="operator">For the operator</h2>
      <p className="muted">
        {wallet.owner !== null && (
          <>
            The wallet of <Link href={`/find/${wallet.owner.id}`}>{wallet.owner.displayName}</Link>.{" "}
          </>
        )}
        {isFrozen ? "It is frozen: nothing can be deposited. " : ""}What you change is kept in the audit log.
      </p>
      {wallet.status !== "CLOSED" && (
        <div className="form-actions">
          {!isBusy && !isFrozen && (
            <button ref={depositButton} type="button" className="button button-primary" onClick={() => setOpen("deposit")}>
              <Icon name="plus" /> Deposit
            </button>
          )}
          <button type="button" className="button" onClick={() => setOpen("status")}>
            <Icon name="snow" /> {isFrozen ? "Unfreeze" : "Freeze"}
          </button>
        </div>
      )}
      <p className="operator-said" role="status">
        {said}
      </p>
      <DepositOutcome wallet={wallet} state={state} onRetry={retry} onAcceptFee={acceptFee} onDone={clear} />
      {open === "deposit" && (
        <DepositDialog
          wallet={wallet}
          onClose={close}
          onConfirm={(wanted) => {
            close();
            clear();
            deposit(wanted);
          }}
        />
      )}
      {open === "status" && (
        <Dialog title={`${isFrozen ? "Unfreeze" : "Freeze"} “${wallet.name}”`} onClose={close}>
          <StatusForm
            wallet={wallet}
            onDone={(status) => {
              setSaid(statusText(wallet.name, status));
              close();
            }}
          />
        </Dialog>
      )}
    </section>
  );
}

/** A button that gets the focus when `isBack` becomes true and nothing else has it. */
function useFocusAfter(isBack: boolean) {
  const button = useRef<HTMLButtonElement>(null);
  const was = useRef(isBack);
  useEffect(() => {
    if (isBack && !was.current && (document.activeElement === null || document.activeElement === document.body)) {
      button.current?.focus();
    }
    was.current = isBack;
  }, [isBack]);
  return button;
}
