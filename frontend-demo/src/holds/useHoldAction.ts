import { useMemo } from "react";
import { PaymentIntent, type PaymentState } from "../paycore-pay/index.js";
import { usePayment } from "../paycore-react/index.js";
import { useAccount } from "../session/AccountContext.js";
import { holdActionBy, inputOf, type WantedAction } from "./actions.js";
import type { HoldActionPayload } from "./queries.js";

export type HoldActionState = PaymentState<HoldActionPayload>;

/** One capture or release at a time on the page of `place`, whose key is kept until its outcome is known, also over a reload. */
export function useHoldAction(place: string) {
  const { plain, subject } = useAccount();
  const intent = useMemo(() => new PaymentIntent({ transfer: holdActionBy(plain), owner: `hold.${subject}.${place}` }), [plain, subject, place]);
  const state: HoldActionState = usePayment(intent);
  return {
    state,
    act: (wanted: WantedAction): void => {
      intent.clear();
      void intent.send(inputOf(wanted));
    },
    retry: (): void => void intent.retry(),
    clear: (): void => intent.clear(),
  };
}
