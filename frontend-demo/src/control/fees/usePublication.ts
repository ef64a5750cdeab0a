import { useState } from "react";
import { troubleOf, type Trouble } from "../../graphql/client.js";
import { isWorthRepeating, newKey } from "../../paycore-pay/index.js";
import { refusalText } from "../../send/refusals.js";
import { useAccount } from "../../session/AccountContext.js";
import { PUBLISH_FEE_SCHEDULE, type PublishInput, type Published } from "./queries.js";

/** Holds the input whose outcome is not known, also over a reload of the page. */
const SLOT = "paycore.open-fee-schedule";

export interface Publication {
  /** What is confirmed or sent. Null while the form is filled in. */
  readonly input: PublishInput | null;
  /** It was sent, and it is not known whether it was published: only the same input may be sent with its key. */
  readonly isUnknown: boolean;
  readonly isSending: boolean;
  readonly problem: string | null;
  readonly confirm: (wanted: Omit<PublishInput, "idempotencyKey">) => void;
  readonly back: () => void;
  readonly publish: () => Promise<void>;
}

/** One publication at a time. It keeps its idempotency key until its outcome is known. */
export function usePublication(onPublished: (schedule: Published) => void): Publication {
  const { plain, subject } = useAccount();
  const slot = `${SLOT}.${subject}`;
  const [left] = useState(() => sessionStorage.getItem(slot));
  const [input, setInput] = useState(left === null ? null : (JSON.parse(left) as PublishInput));
  const [isUnknown, setIsUnknown] = useState(left !== null);
  const [isSending, setIsSending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const end = (text: string | null): void => {
    sessionStorage.removeItem(slot);
    setInput(null);
    setIsUnknown(false);
    setProblem(text);
  };
  const fail = (trouble: Trouble): void => {
    const isOpen = isUnknown || isWorthRepeating(trouble);
    if (!isOpen) {
      sessionStorage.removeItem(slot);
    }
    setIsUnknown(isOpen);
    setProblem(trouble.message);
  };
  const publish = async (): Promise<void> => {
    if (input === null || isSending) {
      return;
    }
    sessionStorage.setItem(slot, JSON.stringify(input));
    setIsSending(true);
    setProblem(null);
    const { data, error } = await plain.mutation(PUBLISH_FEE_SCHEDULE, { input }).toPromise();
    setIsSending(false);
    const payload = data?.publishFeeSchedule;
    if (payload?.feeSchedule) {
      end(null);
      onPublished(payload.feeSchedule);
    } else if (payload) {
      end(payload.userErrors.map(refusalText).join(" "));
    } else {
      fail(error === undefined ? { code: "NO_OUTCOME", message: "There was no answer.", retryAfterSeconds: null } : troubleOf(error));
    }
  };
  return {
    input,
    isUnknown,
    isSending,
    problem,
    confirm: (wanted) => {
      setProblem(null);
      setInput({ ...wanted, idempotencyKey: newKey() });
    },
    back: () => {
      setProblem(null);
      setInput(null);
    },
    publish,
  };
}
