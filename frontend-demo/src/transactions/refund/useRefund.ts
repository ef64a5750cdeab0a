import type { Client } from "@urql/core";
import { useMemo } from "react";
import type { Money } from "../../money/format.js";
import { PaymentIntent, type PaymentState, type Transfer } from "../../paycore-pay/index.js";
import { usePayment } from "../../paycore-react/index.js";
import { payloadOr } from "../../send/attempt.js";
import { useAccount } from "../../session/AccountContext.js";
import { REVERSE, type ReversalPayload } from "../queries.js";

export type RefundState = PaymentState<ReversalPayload>;

export interface WantedRefund {
  readonly amount: Money;
  readonly description: string | null;
}

export function refundBy(client: Client, transactionId: string, reason: "REFUND" | "OTHER"): Transfer<ReversalPayload> {
  return async ({ idempotencyKey, amount, description }) => {
    const input = { idempotencyKey, transactionId, amount, description: description ?? null, reason };
    const { data, error } = await client.mutation(REVERSE, { input }).toPromise();
    return payloadOr(error, data?.reverseTransaction);
  };
}

/** One reversal of a transaction at a time, whose key is kept until its outcome is known, also over a reload of the page. */
export function useRefund(transactionId: string, reason: "REFUND" | "OTHER") {
  const { plain, subject } = useAccount();
  const intent = useMemo(
    () => new PaymentIntent({ transfer: refundBy(plain, transactionId, reason), owner: `refund.${subject}.${transactionId}` }),
    [plain, subject, transactionId, reason],
  );
  const state: RefundState = usePayment(intent);
  return {
    state,
    // The service knows both wallets.
    refund: (wanted: WantedRefund): void => void intent.send({ senderWalletId: "", receiverWalletId: transactionId, ...wanted }),
    retry: (): void => void intent.retry(),
    clear: (): void => intent.clear(),
  };
}
