import { useRef, useState } from "react";
import { isZero } from "../money/decimal.js";
import type { Money } from "../money/format.js";
import { holdActionBy, inputOf, placeHoldBy } from "../holds/actions.js";
import type { Hold } from "../holds/queries.js";
import { newKey, settle, type Payload, type Transfer, type TransferInput, type Wanted } from "../paycore-pay/index.js";
import { refusalText } from "../send/refusals.js";
import { demoAccount } from "../session/account.js";
import type { Pair } from "../session/pair.js";
import { refundBy } from "../transactions/refund/useRefund.js";

export type Step = "place" | "capture" | "release" | "refund";

export interface CheckoutState {
  /** The step that comes next. */
  readonly step: Step | "over";
  /** What the shop has asked for and the payer has not confirmed yet. */
  readonly asked: Money | null;
  readonly hold: Hold | null;
  /** The amount of each step that is done. */
  readonly done: Readonly<Partial<Record<Step, Money>>>;
  readonly captureId: string | null;
  readonly isRunning: boolean;
  /** Why the current step was not done. */
  readonly problem: string | null;
}

const START: CheckoutState = { step: "place", asked: null, hold: null, done: {}, captureId: null, isRunning: false, problem: null };
export const HOLD_SECONDS = 600;

/** A payment by hold, step by step: what the shop and the payer do, each with an account of its own. */
export function useCheckout([payer, payerWallet, shop, shopWallet]: Pair) {
  const [state, setState] = useState<CheckoutState>(START);
  /** A request whose outcome is not known. The next press sends it again, with its key. */
  const open = useRef<TransferInput | null>(null);
  const change = (part: Partial<CheckoutState>): void => setState((before) => ({ ...before, ...part }));

  const run = async <P extends Payload>(transfer: Transfer<P>, wanted: Wanted, then: (made: NonNullable<P["transaction"]>, amount: Money) => Partial<CheckoutState>): Promise<void> => {
    const wasUnknown = open.current !== null;
    const input = open.current ?? { ...wanted, idempotencyKey: newKey() };
    change({ isRunning: true, problem: null });
    const answer = await settle(transfer, input, { wasUnknown });
    open.current = answer.kind === "unknown" ? input : null;
    const problem = answer.kind === "refused" ? answer.refusals.map(refusalText).join(" ") : answer.kind === "done" ? null : answer.trouble.message;
    const part = answer.kind === "done" ? then(answer.transaction, input.amount) : {};
    setState((before) => ({ ...before, ...part, done: { ...before.done, ...part.done }, isRunning: false, problem }));
  };

  const { hold, captureId } = state;
  const byShop = demoAccount(shop).plain;
  return {
    state,
    ask: (asked: Money): void => change({ asked, problem: null }),
    decline: (): void => change({ asked: null, problem: `${payer.display_name} did not confirm it.` }),
    confirm: (amount: Money): void => {
      const wanted = { senderWalletId: payerWallet.id, receiverWalletId: shopWallet.id, amount, description: "Check out" };
      void run(placeHoldBy(demoAccount(payer).plain, HOLD_SECONDS), wanted, (made) => ({ step: "capture", asked: null, hold: made.hold, done: { place: amount } }));
    },
    capture: (amount: Money): void => {
      if (hold !== null) {
        void run(holdActionBy(byShop), inputOf({ hold, action: "capture-and-keep", amount }), (made, captured) => ({
          step: made.hold !== null && isZero(made.hold.remaining.amount) ? "refund" : "release",
          hold: made.hold ?? hold,
          captureId: made.id,
          done: { capture: captured },
        }));
      }
    },
    release: (): void => {
      if (hold !== null) {
        void run(holdActionBy(byShop), inputOf({ hold, action: "release", amount: hold.remaining }), (made, released) => ({
          step: "refund",
          hold: made.hold ?? hold,
          done: { release: released },
        }));
      }
    },
    refund: (amount: Money): void => {
      if (captureId !== null) {
        const wanted = { senderWalletId: shopWallet.id, receiverWalletId: captureId, amount };
        void run(refundBy(byShop, captureId, "REFUND"), wanted, (_, refunded) => ({ step: "over", done: { refund: refunded } }));
      }
    },
    /** What still is held is released first: the payer can spend it in the next round. */
    startAgain: async (): Promise<void> => {
      open.current = null;
      if (hold?.status === "OPEN" && !isZero(hold.remaining.amount)) {
        change({ isRunning: true, problem: null });
        await settle(holdActionBy(byShop), { ...inputOf({ hold, action: "release", amount: hold.remaining }), idempotencyKey: newKey() });
      }
      setState(START);
    },
  };
}

export type Checkout = ReturnType<typeof useCheckout>;
