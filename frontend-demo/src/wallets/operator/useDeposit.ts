import type { Client } from "@urql/core";
import { useMemo } from "react";
import type { Money } from "../../money/format.js";
import { PaymentIntent, type PaymentState, type Transfer } from "../../paycore-pay/index.js";
import { usePayment } from "../../paycore-react/index.js";
import { payloadOr } from "../../send/attempt.js";
import { useAccount } from "../../session/AccountContext.js";
import { DEPOSIT, type DepositPayload } from "./queries.js";

export type DepositState = PaymentState<DepositPayload>;

export interface WantedDeposit {
  readonly amount: Money;
  readonly description: string | null;
  /** The fee that was shown; without one, none is accepted. */
  readonly maxFee?: Money;
}

function depositBy(client: Client): Transfer<DepositPayload> {
  return async ({ idempotencyKey, receiverWalletId: walletId, amount, description, maxFee }) => {
    const input = { idempotencyKey, walletId, amount, description: description ?? null, ...(maxFee ? { maxFee } : {}) };
    const { data, error } = await client.mutation(DEPOSIT, { input }).toPromise();
    return payloadOr(error, data?.deposit);
  };
}

/** One deposit into a wallet at a time, whose key is kept until its outcome is known, also over a reload of the page. */
export function useDeposit(walletId: string) {
  const { plain, subject } = useAccount();
  // An intent of its own for each wallet: what is open is taken up on that wallet's page, not on another's.
  const intent = useMemo(() => new PaymentIntent({ transfer: depositBy(plain), owner: `deposit.${subject}.${walletId}` }), [plain, subject, walletId]);
  const state: DepositState = usePayment(intent);
  return {
    state,
    // The service chooses the wallet that a deposit comes from.
    deposit: (wanted: WantedDeposit): void => void intent.send({ senderWalletId: "", receiverWalletId: walletId, ...wanted }),
    retry: (): void => void intent.retry(),
    clear: (): void => intent.clear(),
  };
}
