import { useState } from "react";
import { holdActionBy, type HoldAction } from "../holds/actions.js";
import type { Hold, HoldActionPayload } from "../holds/queries.js";
import { MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { settle, type Attempt } from "../paycore-pay/index.js";
import { demoAccount, type Account } from "../session/account.js";
import { Notice } from "../ui/Notice.js";
import { Dots, Legend, type Dot } from "./Dots.js";
import { Verdict } from "./Verdict.js";
import type { Cast } from "./cast.js";
import { withDot } from "./dotOf.js";
import { balanceOf, EACH, fundedWallet, isLeft } from "./funding.js";
import { endOf, holdsById, placedHold, wantedInput, type End } from "./holding.js";

const RACES = 16;
const HOLD_SECONDS = 2;
/** When the races start, by the expiry of their holds: the first ones well before it, the last ones after it. */
const FIRST_MILLISECONDS = -480;
const APART_MILLISECONDS = 40;
const DOTS: Readonly<Record<End, Dot>> = { captured: "done", released: "replayed", expired: "refused", wrong: "failed" };

interface Outcome {
  readonly ends: readonly End[];
  readonly before: Money;
  readonly after: Money;
}

/** For each of some holds, a capture of all and a release of all start together, near the instant at which the hold expires. */
export function HoldRace({ cast }: { readonly cast: Cast }) {
  const [dots, setDots] = useState<readonly Dot[]>([]);
  const [progress, setProgress] = useState<"ready" | "placing" | "racing" | Outcome | { readonly problem: string }>("ready");
  const isRunning = progress === "placing" || progress === "racing";
  const run = async (): Promise<void> => {
    const [owner, shop] = [demoAccount(cast.owner), demoAccount(cast.till)];
    setProgress("placing");
    setDots(Array.from({ length: RACES }, () => "waiting"));
    const walletId = await fundedWallet(owner, demoAccount(cast.admin));
    const before = await balanceOf(owner, walletId);
    setProgress("racing");
    const races: Promise<End>[] = [];
    for (let index = 0; index < RACES; index += 1) {
      // One after the other, and half way to the answer: so it is known when it was placed, whatever this computer's clock says.
      const sentAt = performance.now();
      const hold = await placedHold(owner, walletId, cast.tillWallet.id, EACH, HOLD_SECONDS);
      const expiresAt = (sentAt + performance.now()) / 2 + HOLD_SECONDS * 1_000;
      races.push(
        raced(owner, shop, hold, index, expiresAt).then((end) => {
          setDots((now) => withDot(now, index, DOTS[end]));
          return end;
        }),
      );
    }
    const ends = await Promise.all(races);
    setProgress({ ends, before, after: await balanceOf(owner, walletId) });
  };
  const start = (): void => {
    run().catch((error: unknown) => setProgress({ problem: error instanceof Error ? error.message : String(error) }));
  };
  return (
    <section className="card stack" aria-labelledby="hold-race">
      <h2 id="hold-race">Capture, release or expiry</h2>
      <p className="muted">Sixteen holds of $1.00. A capture and a release of each start at once, near the instant at which it expires. Exactly one of the three must end it.</p>
      <div>
        <button type="button" className="button button-primary" disabled={isRunning} onClick={start}>
          {progress === "placing" ? "Filling a wallet…" : progress === "racing" ? "Racing…" : "Start 16 races"}
        </button>
      </div>
      {dots.length > 0 && (
        <>
          <Dots dots={dots} label={`${RACES} holds, one square each`} />
          <Legend entries={[["done", "captured"], ["replayed", "released"], ["refused", "expired"]]} />
        </>
      )}
      {typeof progress === "object" && ("problem" in progress ? <Notice tone="bad" icon="alert" title={progress.problem} /> : <Result outcome={progress} />)}
    </section>
  );
}

/** Runs the race for one hold and says what ended it. */
async function raced(owner: Account, shop: Account, hold: Hold, index: number, expiresAt: number): Promise<End> {
  await pause(expiresAt + FIRST_MILLISECONDS + index * APART_MILLISECONDS - performance.now());
  const act = (action: HoldAction): Promise<Attempt<HoldActionPayload>> => settle(holdActionBy(shop.plain), wantedInput(hold, action, hold.amount));
  const order: readonly HoldAction[] = index % 2 === 0 ? ["capture", "release"] : ["release", "capture"];
  const [first, second] = await Promise.all([act(order[0] ?? "capture"), act(order[1] ?? "release")]);
  const [capture, release] = index % 2 === 0 ? [first, second] : [second, first];
  return endOf((await holdsById(owner, [hold.id])).get(hold.id), capture, release);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function Result({ outcome: { ends, before, after } }: { readonly outcome: Outcome }) {
  const count = (end: End): number => ends.filter((one) => one === end).length;
  const wrong = count("wrong");
  return (
    <Verdict holds={wrong === 0 && isLeft(after, before, EACH, count("captured"))}>
      {count("captured")} captured, {count("released")} released, {count("expired")} expired
      {wrong === 0 ? ": each ended once, and captured and released are its amount." : `, and ${wrong} ended more than once or not at all.`} The wallet holds{" "}
      <MoneyText money={after} />.
    </Verdict>
  );
}
