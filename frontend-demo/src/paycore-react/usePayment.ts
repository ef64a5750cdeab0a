import { useEffect, useSyncExternalStore } from "react";
import type { Payload, PaymentIntent, PaymentState, TransferPayload } from "../paycore-pay/index.js";

/**
 * Where the payment stands. While the component is there, it takes up what an earlier page left open, and tries again by itself.
 * Give it the same intent at each render: make it with `useState` or outside.
 */
export function usePayment<P extends Payload = TransferPayload>(intent: PaymentIntent<P>): PaymentState<P> {
  useEffect(() => {
    void intent.resume();
    return () => intent.stop();
  }, [intent]);
  return useSyncExternalStore(intent.subscribe, () => intent.state, () => intent.state);
}
