import { useState } from "react";
import { MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { newKey } from "../paycore-pay/index.js";
import type { Attempt } from "../send/attempt.js";
import { maxFeeOf } from "../send/fee.js";
import { demoAccount } from "../session/account.js";
import { Notice } from "../ui/Notice.js";
import { Dots, Legend, type Dot } from "./Dots.js";
import { Verdict } from "./Verdict.js";
import type { Cast } from "./cast.js";
import { dotOf, withDot } from "./dotOf.js";
import { balanceOf, EACH, feeOfEach, fundedWallet, isLeft, timesPaid } from "./funding.js";
import { sendAtOnce } from "./sendAtOnce.js";

const SENDS = 200;

interface Outcome {
  readonly before: Money;
  /** What leaves the wallet with each payment: the amount, and the sender's fee. */
  readonly each: Money;
  readonly paid: number;
  readonly refused: number;
  readonly after: Money;
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
    const payment = { senderWalletId: walletId, receiverWalletId: cast.tillWallet.id, amount: EACH };
    const [fee, before] = [await feeOfEach(owner, payment), await balanceOf(owner, walletId)];
    setProgress("sending");
    const inputs = Array.from({ length: SENDS }, () => ({ idempotencyKey: newKey(), ...payment, ...maxFeeOf(fee) }));
    const answers = await sendAtOnce(owner, inputs, (index, answer) => setDots((now) => withDot(now, index, dotOf(answer))));
    setProgress({ before, each: fee?.debited ?? EACH, paid: count(answers, "done"), refused: count(answers, "refused"), after: await balanceOf(owner, walletId) });
  };
  const start = (): void => {
    run().catch((error: unknown) => setProgress({ problem: error instanceof Error ? error.message : String(error) }));
  };
  return (
    <section className="card stack" aria-labelledby="run-on-wallet">
      <h2 id="run-on-wallet">A run on the wallet</h2>
      <p className="muted">A fresh wallet with $70.00, and two hundred payments of $1.00 at once. Exactly seventy must be paid, and none more. With a fee it can pay fewer.</p>
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

function Result({ outcome: { before, each, paid, refused, after } }: { readonly outcome: Outcome }) {
  const affordable = timesPaid(before, each);
  const isSpent = isLeft(after, before, each, affordable);
  return (
    <Verdict holds={paid === affordable && refused === SENDS - affordable && isSpent}>
      {paid} paid, {refused} refused. The wallet holds <MoneyText money={after} />.
    </Verdict>
  );
}

function count(answers: readonly Attempt[], kind: Attempt["kind"]): number {
  return answers.filter((answer) => answer.kind === kind).length;
}
