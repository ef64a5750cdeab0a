import { useRef, useState } from "react";
import { anyFee } from "../fees/anyFee.js";
import type { Money } from "../money/format.js";
import { newKey, OpenPayments } from "../paycore-pay/index.js";
import { settle, type Attempt } from "../send/attempt.js";
import type { TransferInput } from "../send/queries.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";

/**
 * Sends at each press, with a key of its own; presses may overlap. If the outcome of an earlier payment is not known, a press
 * sends that one again, with its key, instead of a new one.
 */
export function usePhoneSend(senderWalletId: string, receiverWalletId: string) {
  const { plain, subject } = useAccount();
  const underWay = useRef(new Set<string>());
  const [waiting, setWaiting] = useState(0);
  const [note, setNote] = useState<string | null>(null);
  const send = (amount: Money): void => {
    const payments = new OpenPayments(`${subject}.phone`);
    const open = payments.list().find(({ idempotencyKey }) => !underWay.current.has(idempotencyKey));
    const input: TransferInput = open ?? { idempotencyKey: newKey(), senderWalletId, receiverWalletId, amount, maxFee: anyFee(amount) };
    payments.remember(input);
    underWay.current.add(input.idempotencyKey);
    setWaiting((count) => count + 1);
    setNote(null);
    void settle(plain, input, open !== undefined)
      .then((result) => {
        payments.conclude(input, result);
        setNote(problemOf(result) ?? (open === undefined ? "Sent." : "This was your earlier payment. Press again for a new one."));
      })
      .finally(() => {
        underWay.current.delete(input.idempotencyKey);
        setWaiting((count) => count - 1);
      });
  };
  return { send, note, isSending: waiting > 0 };
}

function problemOf(result: Attempt): string | null {
  switch (result.kind) {
    case "done":
      return null;
    case "refused":
      return result.refusals.map(refusalText).join(" ");
    case "unknown":
      return "It is not known whether this was sent. The next press sends this payment again; it is paid once.";
    case "stopped":
      return result.trouble.message;
  }
}
