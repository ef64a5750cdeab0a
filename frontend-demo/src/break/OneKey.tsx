import { useState } from "react";
import { Link } from "wouter";
import { anyFee } from "../fees/anyFee.js";
import { newKey } from "../paycore-pay/index.js";
import { demoAccount } from "../session/account.js";
import type { Attempt } from "../send/attempt.js";
import { Dots, Legend, type Dot } from "./Dots.js";
import { Verdict } from "./Verdict.js";
import type { Cast } from "./cast.js";
import { dotOf, withDot } from "./dotOf.js";
import { sendAtOnce } from "./sendAtOnce.js";

const SENDS = 50;

/** Sends fifty requests with one key. One of them pays, and the others get the same outcome as a replay. */
export function OneKey({ cast }: { readonly cast: Cast }) {
  const [dots, setDots] = useState<readonly Dot[]>([]);
  const [answers, setAnswers] = useState<readonly Attempt[] | null>(null);
  const isRunning = dots.length > 0 && answers === null;
  const run = async (): Promise<void> => {
    setAnswers(null);
    setDots(Array.from({ length: SENDS }, () => "waiting"));
    const input = {
      idempotencyKey: newKey(),
      senderWalletId: cast.payerWallet.id,
      receiverWalletId: cast.tillWallet.id,
      amount: { amount: "1.00", currency: "USD" },
      maxFee: anyFee({ amount: "1.00", currency: "USD" }),
    };
    const inputs = Array.from({ length: SENDS }, () => input);
    setAnswers(await sendAtOnce(demoAccount(cast.payer), inputs, (index, answer) => setDots((now) => withDot(now, index, dotOf(answer)))));
  };
  return (
    <section className="card stack" aria-labelledby="one-key">
      <h2 id="one-key">One key, fifty sends</h2>
      <p className="muted">A phone with a bad connection sends the same $1.00 fifty times at once, with one idempotency key. It must be paid once.</p>
      <div>
        <button type="button" className="button button-primary" disabled={isRunning} onClick={() => void run()}>
          {isRunning ? "Sending…" : "Send it 50 times"}
        </button>
      </div>
      {dots.length > 0 && (
        <>
          <Dots dots={dots} label={`${SENDS} requests, one square each`} />
          <Legend entries={[["done", "paid"], ["replayed", "told of the first outcome"]]} />
        </>
      )}
      {answers !== null && <Result answers={answers} />}
    </section>
  );
}

function Result({ answers }: { readonly answers: readonly Attempt[] }) {
  const transactions = new Set(answers.flatMap((answer) => (answer.kind === "done" ? [answer.transaction.id] : [])));
  const paid = answers.filter((answer) => answer.kind === "done" && !answer.replayed).length;
  const replayed = answers.filter((answer) => answer.kind === "done" && answer.replayed).length;
  const [id] = transactions;
  return (
    <Verdict holds={transactions.size === 1 && paid === 1 && replayed === answers.length - 1}>
      {answers.length} answers, {replayed} of them replays, {transactions.size} transaction{transactions.size === 1 ? "" : "s"}.{" "}
      {id !== undefined && <Link href={`/transactions/${id}`}>Look at it</Link>}
    </Verdict>
  );
}
