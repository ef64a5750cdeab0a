import type { Client } from "@urql/core";
import { useMemo } from "react";
import { CONVERT, type ConvertPayload, type Quote } from "../fx/queries.js";
import { PaymentIntent, type PaymentState, type Transfer } from "../paycore-pay/index.js";
import { usePayment } from "../paycore-react/index.js";
import { payloadOr } from "../send/attempt.js";
import { useAccount } from "../session/AccountContext.js";

export type ConversionState = PaymentState<ConvertPayload>;

function convertBy(client: Client): Transfer<ConvertPayload> {
  return async ({ idempotencyKey, quoteId, senderWalletId: sourceWalletId, receiverWalletId: targetWalletId }) => {
    const input = { idempotencyKey, quoteId: quoteId ?? "", sourceWalletId, targetWalletId };
    const { data, error } = await client.mutation(CONVERT, { input }).toPromise();
    return payloadOr(error, data?.convert);
  };
}

/** One conversion at a time, whose key is kept until its outcome is known, also over a reload of the page. */
export function useConversion() {
  const { plain, subject } = useAccount();
  const intent = useMemo(() => new PaymentIntent({ transfer: convertBy(plain), owner: `convert.${subject}` }), [plain, subject]);
  const state: ConversionState = usePayment(intent);
  return {
    state,
    /** Convert by exactly this quote. */
    convert: ({ id, source }: Quote, senderWalletId: string, receiverWalletId: string): void => {
      intent.clear();
      void intent.send({ senderWalletId, receiverWalletId, amount: { amount: source.amount, currency: source.currency }, quoteId: id });
    },
    retry: (): void => void intent.retry(),
    clear: (): void => intent.clear(),
  };
}
