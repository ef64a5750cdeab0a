import { useCallback, useEffect, useRef, useState } from "react";
import { anyFee } from "../fees/anyFee.js";
import { settle } from "../send/attempt.js";
import { newKey } from "../paycore-pay/index.js";
import { demoAccount } from "../session/account.js";
import type { Cast } from "./cast.js";

const EVERY_MILLISECONDS = 150;
const LASTS_MILLISECONDS = 30_000;

/** Sends small payments at a fixed interval for half a minute. A payment without an answer is sent again with its key. */
export function useSteadySender(cast: Cast) {
  const [counts, setCounts] = useState({ sent: 0, answered: 0, paid: 0 });
  const [isRunning, setIsRunning] = useState(false);
  const timers = useRef<{ every?: ReturnType<typeof setInterval>; end?: ReturnType<typeof setTimeout> }>({});
  const stop = useCallback(() => {
    clearInterval(timers.current.every);
    clearTimeout(timers.current.end);
    setIsRunning(false);
  }, []);
  useEffect(() => stop, [stop]);

  const start = (): void => {
    const payer = demoAccount(cast.payer);
    const send = async (): Promise<void> => {
      setCounts((counts) => ({ ...counts, sent: counts.sent + 1 }));
      const answer = await settle(payer.plain, {
        idempotencyKey: newKey(),
        senderWalletId: cast.payerWallet.id,
        receiverWalletId: cast.receiverWallet.id,
        amount: { amount: "0.01", currency: "USD" },
        maxFee: anyFee({ amount: "0.01", currency: "USD" }),
      });
      setCounts(({ sent, answered, paid }) => ({ sent, answered: answered + 1, paid: paid + (answer.kind === "done" ? 1 : 0) }));
    };
    stop();
    setCounts({ sent: 0, answered: 0, paid: 0 });
    setIsRunning(true);
    timers.current = { every: setInterval(() => void send(), EVERY_MILLISECONDS), end: setTimeout(stop, LASTS_MILLISECONDS) };
  };
  return { ...counts, isRunning, start, stop };
}
