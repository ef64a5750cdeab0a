import { useState } from "react";
import { troubleOf } from "../../graphql/client.js";
import { isWorthRepeating } from "../../paycore-pay/index.js";
import { refusalText } from "../../send/refusals.js";
import { useAccount } from "../../session/AccountContext.js";
import { SET_FX_RATE, type FxRate, type RateInput } from "./queries.js";

export interface RateSetting {
  /** What is confirmed or sent. Null while the form is filled in. */
  readonly input: RateInput | null;
  readonly isSending: boolean;
  readonly problem: string | null;
  readonly confirm: (input: RateInput) => void;
  readonly back: () => void;
  readonly set: () => Promise<void>;
}

/** Sets a rate. It needs no key: the same rate set twice is the same rate. */
export function useRateSetting(onSet: (rate: FxRate) => void): RateSetting {
  const { plain } = useAccount();
  const [input, setInput] = useState<RateInput | null>(null);
  const [isSending, setIsSending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const enter = (next: RateInput | null, said: string | null): void => {
    setInput(next);
    setProblem(said);
  };
  const set = async (): Promise<void> => {
    if (input === null || isSending) {
      return;
    }
    setIsSending(true);
    const { data, error } = await plain.mutation(SET_FX_RATE, { input }).toPromise();
    setIsSending(false);
    const payload = data?.setFxRate;
    if (payload?.rate) {
      enter(null, null);
      onSet(payload.rate);
    } else if (payload) {
      enter(null, payload.userErrors.map(refusalText).join(" "));
    } else {
      const trouble = error === undefined ? { code: "NO_OUTCOME", message: "There was no answer.", retryAfterSeconds: null } : troubleOf(error);
      enter(input, isWorthRepeating(trouble) ? `${trouble.message} It is not known whether the rate was set. Setting it again is safe.` : trouble.message);
    }
  };
  return { input, isSending, problem, confirm: (next) => enter(next, null), back: () => enter(null, null), set };
}
