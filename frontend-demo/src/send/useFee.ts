import { useEffect, useState } from "react";
import { anyFee } from "../fees/anyFee.js";
import { newKey } from "../paycore-pay/index.js";
import { useAccount } from "../session/AccountContext.js";
import { feeOf, type Fee } from "./fee.js";
import { PREVIEW_TRANSFER } from "./queries.js";
import type { Wanted } from "./useIntent.js";

/** Each preview counts for the user's rate limit, so it waits until the user stops typing. */
const PAUSE_MILLISECONDS = 400;

/**
 * The fee of a payment, by a preview. Null while it is not known, and where there is none. If the preview fails, it stays
 * null: the payment can be sent, and the service then refuses a fee that was not shown.
 */
export function useFee(wanted: Wanted | null): Fee | null {
  const { plain } = useAccount();
  // Without the note: it does not change the fee.
  const question = wanted === null ? null : JSON.stringify([wanted.senderWalletId, wanted.receiverWalletId, wanted.amount]);
  const [known, setKnown] = useState<{ readonly question: string; readonly fee: Fee | null } | null>(null);
  useEffect(() => {
    if (question === null) {
      return undefined;
    }
    const [senderWalletId, receiverWalletId, amount] = JSON.parse(question) as [string, string, Wanted["amount"]];
    // With the largest limit the preview says who pays the fee, and what arrives.
    const maxFee = anyFee(amount);
    let asked: { unsubscribe(): void } | undefined;
    const timer = setTimeout(() => {
      // A key of its own: the preview of a used key only repeats the key's outcome.
      const input = { idempotencyKey: newKey(), senderWalletId, receiverWalletId, amount, maxFee };
      asked = plain.query(PREVIEW_TRANSFER, { input }).subscribe(({ data }) => {
        setKnown({ question, fee: data?.previewTransfer ? feeOf(data.previewTransfer, amount) : null });
      });
    }, PAUSE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      asked?.unsubscribe();
      // The same question later gets a new answer.
      setKnown(null);
    };
  }, [plain, question]);
  return known?.question === question ? known.fee : null;
}
