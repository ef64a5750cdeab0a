import { useEffect, useRef, type ReactNode, type SyntheticEvent } from "react";
import { Link } from "wouter";
import { decimalsOf, fromMinor, toMinor } from "../money/decimal.js";
import { formatMoney, type Money } from "../money/format.js";
import { MoneyText } from "../money/Money.js";
import { Countdown } from "../holds/Countdown.js";
import { useSeconds } from "../holds/clock.js";
import { statusAt } from "../holds/state.js";
import { LimitedAmountField, useLimitedAmount, type LimitedAmount } from "../send/LimitedAmount.js";
import { Icon } from "../ui/Icon.js";
import type { Checkout, CheckoutState, Step } from "./useCheckout.js";

interface StepsProps {
  readonly checkout: Checkout;
  readonly payerName: string;
  /** What the payer can spend. */
  readonly available: Money;
}

/** So many hundredths of an amount, rounded down, but never nothing. */
export function partOf({ amount, currency }: Money, hundredths: bigint): Money {
  const decimals = decimalsOf(amount);
  const part = (toMinor(amount, decimals) * hundredths) / 100n;
  return { amount: fromMinor(part > 0n ? part : 1n, decimals), currency };
}

/** What the shop does, one step after the other. The next step's button takes the focus when one is done. */
export function Steps({ checkout, payerName, available }: StepsProps) {
  const { state, startAgain } = checkout;
  const { step, asked, done } = state;
  const list = useRef<HTMLDivElement>(null);
  const before = useRef({ step, asked });
  useEffect(() => {
    const { step: last, asked: lastAsked } = before.current;
    before.current = { step, asked };
    // While the payer is asked, the payer's phone has the focus.
    if (step !== last || (lastAsked !== null && asked === null)) {
      list.current?.querySelector<HTMLElement>("[data-next]")?.focus();
    }
  }, [step, asked]);
  return (
    <div ref={list} className="stack">
      <ol className="steps">
        <StepItem state={state} step="place" title={`${payerName} confirms a hold`} outcome={<PlaceOutcome state={state} payerName={payerName} />}>
          <Ask checkout={checkout} payerName={payerName} available={available} />
        </StepItem>
        <StepItem
          state={state}
          step="capture"
          title="The shop captures a part"
          outcome={done.capture && <><MoneyText money={done.capture} /> is paid. {state.captureId !== null && <Link href={`/transactions/${state.captureId}`}>See the capture</Link>}</>}
        >
          {state.hold !== null && <Capture checkout={checkout} left={state.hold.remaining} />}
        </StepItem>
        <StepItem
          state={state}
          step="release"
          title="The shop releases the rest"
          outcome={done.release ? <><MoneyText money={done.release} /> can be spent again.</> : done.capture && step !== "release" && "Nothing was left to release."}
        >
          {state.hold !== null && <Act checkout={checkout} word="Release" money={state.hold.remaining} onAct={checkout.release} />}
        </StepItem>
        <StepItem state={state} step="refund" title="The shop refunds half of it" outcome={done.refund && <><MoneyText money={done.refund} /> went back to {payerName}.</>}>
          {done.capture !== undefined && <Refund checkout={checkout} captured={done.capture} />}
        </StepItem>
      </ol>
      <div className="form-actions">
        <button type="button" className="button" data-next={step === "over" ? "" : undefined} disabled={state.isRunning || (step === "place" && asked === null)} onClick={() => void startAgain()}>
          <Icon name="repeat" /> Start again
        </button>
      </div>
    </div>
  );
}

const ORDER: readonly (Step | "over")[] = ["place", "capture", "release", "refund", "over"];

interface StepItemProps {
  readonly state: CheckoutState;
  readonly step: Step;
  readonly title: string;
  readonly outcome: ReactNode;
  readonly children: ReactNode;
}

function StepItem({ state, step, title, outcome, children }: StepItemProps) {
  const isNow = state.step === step;
  const isDone = ORDER.indexOf(state.step) > ORDER.indexOf(step);
  return (
    <li className={isDone ? "step step-done" : isNow ? "step step-now" : "step"} aria-current={isNow ? "step" : undefined}>
      <h2>{title}</h2>
      {isNow && children}
      <p className={isNow && state.problem !== null ? "field-problem" : "muted"} role="status">
        {isDone ? outcome : isNow ? (state.problem ?? (state.isRunning ? "Sending…" : null)) : null}
      </p>
    </li>
  );
}

function PlaceOutcome({ state: { hold, done }, payerName }: { readonly state: CheckoutState; readonly payerName: string }) {
  const seconds = useSeconds();
  if (hold === null || done.place === undefined) {
    return null;
  }
  const status = statusAt(hold, seconds);
  return (
    <>
      <MoneyText money={done.place} /> is held: {payerName} still has it, but cannot spend it. <Link href={`/holds/${hold.id}`}>See the hold</Link>
      {status === "OPEN" && hold.expiresAt !== null && (
        <>
          , which expires in <Countdown expiresAt={hold.expiresAt} />
        </>
      )}
      {status === "EXPIRED" ? ". It has expired: nothing of it can be captured any more." : "."}
    </>
  );
}

function Ask({ checkout: { state, ask }, payerName, available }: StepsProps) {
  const start = { amount: fromMinor(40n * 10n ** BigInt(decimalsOf(available.amount)), decimalsOf(available.amount)), currency: available.currency };
  const entry = useLimitedAmount(available, start, (limit) => `${payerName} can spend only ${limit}.`);
  const isAsked = state.asked !== null;
  return (
    <AmountForm id="ask-amount" entry={entry} verb={`Ask ${payerName} for`} isBusy={isAsked || state.isRunning} hint="The goods may cost less in the end." onSubmit={ask}>
      {isAsked && <p className="muted">{payerName}’s phone asks for a confirmation.</p>}
    </AmountForm>
  );
}

function Capture({ checkout: { state, capture }, left }: { readonly checkout: Checkout; readonly left: Money }) {
  const entry = useLimitedAmount(left, partOf(left, 62n), (limit) => `Only ${limit} of it remains.`);
  return <AmountForm id="step-capture-amount" entry={entry} verb="Capture" isBusy={state.isRunning} hint="The rest stays held until it is released." onSubmit={capture} />;
}

function Refund({ checkout, captured }: { readonly checkout: Checkout; readonly captured: Money }) {
  const half = partOf(captured, 50n);
  return <Act checkout={checkout} word="Refund" money={half} onAct={() => checkout.refund(half)} />;
}

interface AmountFormProps {
  readonly id: string;
  readonly entry: LimitedAmount;
  readonly verb: string;
  readonly isBusy: boolean;
  readonly hint: string;
  readonly onSubmit: (amount: Money) => void;
  readonly children?: ReactNode;
}

function AmountForm({ id, entry, verb, isBusy, hint, onSubmit, children }: AmountFormProps) {
  const field = useRef<HTMLInputElement>(null);
  const { money, exponent } = entry;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (isBusy) {
      return;
    }
    if (money === null) {
      field.current?.focus();
    } else {
      onSubmit(money);
    }
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <LimitedAmountField id={id} entry={entry} field={field} hint={hint} />
      <button type="submit" className="button button-primary button-wide" data-next="" aria-disabled={isBusy}>
        {money === null ? verb : `${verb} ${formatMoney(money, exponent)}`}
      </button>
      {children}
    </form>
  );
}

interface ActProps {
  readonly checkout: Checkout;
  readonly word: string;
  readonly money: Money;
  readonly onAct: () => void;
}

function Act({ checkout: { state }, word, money, onAct }: ActProps) {
  return (
    <button type="button" className="button button-primary button-wide" data-next="" aria-disabled={state.isRunning} onClick={() => !state.isRunning && onAct()}>
      {word} {formatMoney(money)}
    </button>
  );
}
