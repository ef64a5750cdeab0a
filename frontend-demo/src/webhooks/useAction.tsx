import type { AnyVariables, CombinedError } from "@urql/core";
import { useState } from "react";
import { troubleOf } from "../graphql/client.js";
import type { TadaDocumentNode } from "../graphql/tada.js";
import { useAccount } from "../session/AccountContext.js";

interface Refused {
  readonly userErrors: readonly { readonly message: string; readonly path?: readonly string[] | null }[];
}

export interface Action {
  readonly isRunning: boolean;
  /** Why the last one did not happen, or whether it is not known. */
  readonly problem: string | null;
  /** Sends one mutation. Returns its payload if it was done. */
  readonly run: <Data, Variables extends AnyVariables, Payload extends Refused>(
    document: TadaDocumentNode<Data, Variables>,
    variables: Variables,
    payloadOf: (data: Data) => Payload | null,
  ) => Promise<Payload | null>;
}

/** Mutations that may be sent again without harm: they set a state, or send what a receiver drops by its id. */
export function useAction(): Action {
  const { plain } = useAccount();
  const [isRunning, setIsRunning] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const run: Action["run"] = async (document, variables, payloadOf) => {
    setIsRunning(true);
    setProblem(null);
    const { data, error } = await plain.mutation(document, variables).toPromise();
    setIsRunning(false);
    const payload = data == null ? null : payloadOf(data);
    if (payload === null) {
      setProblem(wordsOf(error));
      return null;
    }
    if (payload.userErrors.length > 0) {
      setProblem(payload.userErrors.map(({ message }) => message).join(" "));
      return null;
    }
    return payload;
  };
  return { isRunning, problem, run };
}

export function wordsOf(error: CombinedError | undefined): string {
  const trouble = error === undefined ? null : troubleOf(error);
  if (trouble === null || trouble.code === "NETWORK") {
    return "The service did not answer. It is not known whether this was done; doing it again is safe.";
  }
  return trouble.retryAfterSeconds === null ? trouble.message : `${trouble.message} Try again in ${trouble.retryAfterSeconds} s.`;
}

export function Problem({ text }: { readonly text: string | null }) {
  return text === null ? null : (
    <p className="field-problem" role="alert">
      {text}
    </p>
  );
}
