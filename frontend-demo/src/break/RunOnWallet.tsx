import { useState } from "react";
import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import { MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { newKey } from "../paycore-pay/index.js";
import type { Attempt } from "../send/attempt.js";
import { demoAccount, type Account } from "../session/account.js";
import { OPEN_WALLET } from "../wallets/queries.js";
import { Notice } from "../ui/Notice.js";
import { Dots, Legend, type Dot } from "./Dots.js";
import { Verdict } from "./Verdict.js";
import type { Cast } from "./cast.js";
import { dotOf, withDot } from "./dotOf.js";
import { DEPOSIT, FOLLOWED_WALLET } from "./queries.js";
import { sendAtOnce } from "./sendAtOnce.js";

const SENDS = 200;
const AFFORDABLE = 70;
const EACH = { amount: "1.00", currency: "USD" } as const;

interface Outcome {
  readonly paid: number;
  readonly refused: number;
  readonly balance: Money;
}

type Progress = "ready" | "opening" | "sending" | Outcome | { readonly problem: string };

/** Sends two hundred payments at once from a wallet that can pay seventy of them. */
export function RunOnWallet({ cast }: { readonly cast: Cast }) {
  const [dots, setDots] = useState<readonly Dot[]>([]);
  const [progress, setProgress] = useState<Progress>("ready");
  const isRunning = progress === "opening" || progress === "sending";
  const run = async (): Promise<void> => {
    const owner = demoAccount(cast.owner);
    setProgress("opening");
    setDots(Array.from({ length: SENDS }, () => "waiting"));
    const walletId = await fundedWallet(owner, demoAccount(cast.admin));
    setProgress("sending");
    const inputs = Array.from({ length: SENDS }, () => ({
      idempotencyKey: newKey(),
      senderWalletId: walletId,
      receiverWalletId: cast.tillWallet.id,
      amount: EACH,
    }));
    const answers = await sendAtOnce(owner, inputs, (index, answer) => setDots((now) => withDot(now, index, dotOf(answer))));
    setProgress({ paid: count(answers, "done"), refused: count(answers, "refused"), balance: await balanceOf(owner, walletId) });
  };
  const start = (): void => {
    run().catch((error: unknown) => setProgress({ problem: error instanceof Error ? error.message : String(error) }));
  };
  return (
    <section className="card stack" aria-labelledby="run-on-wallet">
      <h2 id="run-on-wallet">A run on the wallet</h2>
      <p className="muted">A fresh wallet with $70.00, and two hundred payments of $1.00 at once. Exactly seventy must be paid, and none more.</p>
      <div>
        <button type="button" className="button button-primary" disabled={isRunning} onClick={start}>
          {progress === "opening" ? "Filling a wallet…" : progress === "sending" ? "Sending…" : "Send 200 at once"}
        </button>
      </div>
      {dots.length > 0 && (
        <>
          <Dots dots={dots} label={`${SENDS} requests, one square each`} />
          <Legend entries={[["done", "paid"], ["refused", "refused: not enough money"]]} />
        </>
      )}
      {typeof progress === "object" && ("problem" in progress ? <Notice tone="bad" icon="alert" title={progress.problem} /> : <Result outcome={progress} />)}
    </section>
  );
}

function Result({ outcome: { paid, refused, balance } }: { readonly outcome: Outcome }) {
  const isEmpty = toMinor(balance.amount, decimalsOf(balance.amount)) === 0n;
  return (
    <Verdict holds={paid === AFFORDABLE && refused === SENDS - AFFORDABLE && isEmpty}>
      {paid} paid, {refused} refused. The wallet holds <MoneyText money={balance} />.
    </Verdict>
  );
}

function count(answers: readonly Attempt[], kind: Attempt["kind"]): number {
  return answers.filter((answer) => answer.kind === kind).length;
}

/** Opens a wallet that can pay exactly AFFORDABLE times. Returns its id. Throws if that fails. */
async function fundedWallet(owner: Account, admin: Account): Promise<string> {
  const opened = await owner.plain.mutation(OPEN_WALLET, { input: { idempotencyKey: newKey(), currency: EACH.currency, name: "Run on the wallet" } }).toPromise();
  const wallet = opened.data?.openWallet?.wallet;
  if (!wallet) {
    throw new Error(opened.error?.message ?? opened.data?.openWallet?.userErrors[0]?.message ?? "No wallet was opened.");
  }
  const decimals = decimalsOf(EACH.amount);
  const amount = fromMinor(toMinor(EACH.amount, decimals) * BigInt(AFFORDABLE), decimals);
  const input = { idempotencyKey: newKey(), walletId: wallet.id, amount: { amount, currency: EACH.currency }, description: "For a run on the wallet" };
  const funded = await admin.plain.mutation(DEPOSIT, { input }).toPromise();
  if (funded.data?.deposit?.transaction?.status !== "COMPLETED") {
    throw new Error(funded.error?.message ?? funded.data?.deposit?.userErrors[0]?.message ?? "The wallet was not filled.");
  }
  return wallet.id;
}

async function balanceOf(owner: Account, id: string): Promise<Money> {
  const { data, error } = await owner.plain.query(FOLLOWED_WALLET, { id }).toPromise();
  if (!data?.wallet) {
    throw new Error(error?.message ?? "The wallet is gone.");
  }
  return data.wallet.balance;
}
