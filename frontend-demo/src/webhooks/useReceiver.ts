import { useCallback, useEffect, useState } from "react";
import { useEvery } from "../graphql/useEvery.js";
import { useAccount } from "../session/AccountContext.js";
import { demoRequest } from "../session/demo.js";

/** GET /demo/receiver */
export interface ReceiverState {
  readonly url: string;
  readonly answer: number;
  readonly posts: readonly {
    readonly at: string;
    readonly message_id: string;
    readonly problem: string | null;
    readonly answered: number;
    readonly body: string;
  }[];
}

export interface Receiver {
  /** Null until it has answered, and where there is none. */
  readonly state: ReceiverState | null;
  readonly problem: string | null;
  readonly setAnswer: (status: number) => void;
}

const EVERY_MILLISECONDS = 2_000;

/** The demo's receiver of webhooks. What it last said stays during an outage. */
export function useReceiver(isThere: boolean): Receiver {
  const { token } = useAccount();
  const [state, setState] = useState<ReceiverState | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const look = useCallback(() => {
    void token()
      .then((mine) => demoRequest<ReceiverState>(mine, "GET", "receiver"))
      .then(setState, () => undefined);
  }, [token]);
  useEffect(() => {
    if (isThere) {
      look();
    }
  }, [isThere, look]);
  useEvery(isThere ? EVERY_MILLISECONDS : null, look);
  const setAnswer = (status: number): void => {
    setProblem(null);
    void token()
      .then((mine) => demoRequest<ReceiverState>(mine, "PUT", "receiver", { answer: status }))
      .then(setState, (error: unknown) => setProblem(error instanceof Error ? error.message : "The service did not answer."));
  };
  return { state, problem, setAnswer };
}
