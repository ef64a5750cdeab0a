import { useState } from "react";
import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { demoAccount } from "../session/account.js";
import type { Hold, HoldActionPayload } from "../holds/queries.js";
import type { Attempt } from "../paycore-pay/index.js";
import { Notice } from "../ui/Notice.js";
import { Dots, Legend, type Dot } from "./Dots.js";
import { Verdict } from "./Verdict.js";
import { atOnce } from "./atOnce.js";
import type { Cast } from "./cast.js";
import { dotOf, withDot } from "./dotOf.js";
import { balanceOf, EACH, fundedWallet, isLeft } from "./funding.js";
import { holdsById, isSettled, placedHold, sendingOf, wantedInput } from "./holding.js";

const SENDS = 50;
const AFFORDABLE = 30;
const HELD = { amount: `${AFFORDABLE}.00`, currency: EACH.currency };
const HOLD_SECONDS = 300;
/** How a hold refuses what it no longer has. */
const SPENT = new Set<string>(["HOLD_EXCEEDED", "HOLD_NOT_OPEN"]);

interface Outcome {
  readonly hold: Hold;
  readonly answers: readonly Attempt<HoldActionPayload>[];
  readonly before: Money;
  readonly after: Money;
}

/** Sends fifty captures of one hold at once, of which it can pay thirty. */
export function HoldRun({ cast }: { readonly cast: Cast }) {
  const [dots, setDots] = useState<readonly Dot[]>([]);
  const [progress, setProgress] = useState<"ready" | "placing" | "sending" | Outcome | { readonly problem: string }>("ready");
  const isRunning = progress === "placing" || progress === "sending";
  const run = async (): Promise<void> => {
    const [owner, shop] = [demoAccount(cast.owner), demoAccount(cast.till)];
    setProgress("placing");
    setDots(Array.from({ length: SENDS }, () => "waiting"));
    const walletId = await fundedWallet(owner, demoAccount(cast.admin));
    const placed = await placedHold(owner, walletId, cast.tillWallet.id, HELD, HOLD_SECONDS);
    const before = await balanceOf(owner, walletId);
    setProgress("sending");
    const sendings = Array.from({ length: SENDS }, () => sendingOf(shop, wantedInput(placed, "capture-and-keep", EACH)));
    const answers = await atOnce(shop, sendings, (index, answer) => setDots((now) => withDot(now, index, dotOf(answer))));
    const hold = (await holdsById(owner, [placed.id])).get(placed.id) ?? placed;
    setProgress({ hold, answers, before, after: await balanceOf(owner, walletId) });
  };
  const start = (): void => {
    run().catch((error: unknown) => setProgress({ problem: error instanceof Error ? error.message : String(error) }));
  };
  return (
    <section className="card stack" aria-labelledby="hold-run">
      <h2 id="hold-run">Fifty captures of one hold</h2>
      <p className="muted">A hold of $30.00, and a shop that captures $1.00 of it fifty times at once. Exactly thirty must be paid, and none more.</p>
      <div>
        <button type="button" className="button button-primary" disabled={isRunning} onClick={start}>
          {progress === "placing" ? "Placing the hold…" : progress === "sending" ? "Capturing…" : "Capture 50 times"}
        </button>
      </div>
      {dots.length > 0 && (
        <>
          <Dots dots={dots} label={`${SENDS} captures, one square each`} />
          <Legend entries={[["done", "paid"], ["refused", "refused: nothing remains"]]} />
        </>
      )}
      {typeof progress === "object" && ("problem" in progress ? <Notice tone="bad" icon="alert" title={progress.problem} /> : <Result outcome={progress} />)}
    </section>
  );
}

function Result({ outcome: { hold, answers, before, after } }: { readonly outcome: Outcome }) {
  const paid = answers.filter(({ kind }) => kind === "done").length;
  const spent = answers.filter((answer) => answer.kind === "refused" && answer.refusals.every(({ code }) => SPENT.has(code))).length;
  const isExact = isSettled(hold) && hold.captured.amount === hold.amount.amount && isLeft(after, before, EACH, AFFORDABLE);
  return (
    <Verdict holds={paid === AFFORDABLE && spent === SENDS - AFFORDABLE && isExact}>
      {paid} paid, {spent} refused because nothing remained. <MoneyText money={hold.captured} /> of <MoneyText money={hold.amount} /> was captured.{" "}
      <Link href={`/holds/${hold.id}`}>Look at it</Link>
    </Verdict>
  );
}
