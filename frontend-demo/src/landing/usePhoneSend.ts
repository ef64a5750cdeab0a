import { useState } from "react";
import type { Money } from "../money/format.js";
import { settle, type Attempt } from "../send/attempt.js";
import { newKey } from "../send/key.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";

/** Send at each press, with a key of its own; presses may overlap. */
export function usePhoneSend(senderWalletId: string, receiverWalletId: string) {
  const { plain } = useAccount();
  const [waiting, setWaiting] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const send = (amount: Money): void => {
    setWaiting((count) => count + 1);
    setProblem(null);
    void settle(plain, { idempotencyKey: newKey(), senderWalletId, receiverWalletId, amount })
      .then((result) => setProblem(problemOf(result)))
      .finally(() => setWaiting((count) => count - 1));
  };
  return { send, problem, isSending: waiting > 0 };
}

function problemOf(result: Attempt): string | null {
  switch (result.kind) {
    case "done":
      return null;
    case "refused":
      return result.refusals.map(refusalText).join(" ");
    case "unknown":
      return "It is not known whether this was sent.";
    case "stopped":
      return result.trouble.message;
  }
}
