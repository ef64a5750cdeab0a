import { useState } from "react";
import { troubleOf } from "../graphql/client.js";
import { serverNow } from "../live/serverClock.js";
import { newKey } from "../paycore-pay/index.js";
import { useAccount } from "../session/AccountContext.js";
import { endOf, type End } from "./period.js";
import { CREATE_STATEMENT } from "./queries.js";

interface Request {
  readonly idempotencyKey: string;
  readonly walletId: string;
  readonly from: string;
  readonly to: string;
}

interface Draft {
  readonly from: string;
  readonly end: End;
  readonly day: string;
}

/** Makes the next statement. While the outcome of a request is unknown, the same one is sent again, so that no second statement is made. */
export function useNewStatement(walletId: string, onMade: () => void) {
  const { plain } = useAccount();
  const [unknown, setUnknown] = useState<Request | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [expectedFrom, setExpectedFrom] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);

  const send = async (request: Request): Promise<void> => {
    setProblem(null);
    setIsSending(true);
    const { data, error } = await plain.mutation(CREATE_STATEMENT, { input: request }).toPromise();
    setIsSending(false);
    const payload = data?.createStatement;
    if (!payload) {
      setUnknown(request);
      setProblem(`${error === undefined ? "There was no answer." : troubleOf(error).message} It is not known yet whether the statement was made.`);
      return;
    }
    setUnknown(null);
    const refusal = payload.userErrors[0];
    if (refusal !== undefined) {
      setProblem(refusal.message);
      setExpectedFrom("expectedFrom" in refusal ? (refusal.expectedFrom ?? null) : null);
    } else {
      setExpectedFrom(null);
    }
    onMade();
  };
  const make = ({ from, end, day }: Draft): void => {
    const to = endOf(end, day, serverNow());
    if (to === null) {
      setProblem("Choose the last day.");
    } else if (Date.parse(to) <= Date.parse(from)) {
      setProblem("This period would be empty: the last statement has just ended there. Try again in a moment, or choose a later day.");
    } else {
      void send({ idempotencyKey: newKey(), walletId, from, to });
    }
  };
  const again = unknown === null ? null : () => void send(unknown);
  return { make, again, problem, expectedFrom, isSending };
}
