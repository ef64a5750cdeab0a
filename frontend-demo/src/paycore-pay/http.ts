import { messageOf } from "./attempt.js";
import { TransferError, type Transfer, type TransferPayload, type Trouble } from "./types.js";

export interface HttpOptions {
  /** Of the GraphQL endpoint: https://…/graphql. */
  readonly url: string;
  /** Asked before each request. */
  readonly token: () => Promise<string>;
  /** The service answers within 10 seconds, if only with TIMEOUT. What takes longer is lost. */
  readonly patienceMilliseconds?: number;
}

export const TRANSFER_DOCUMENT = /* GraphQL */ `
  mutation Transfer($input: TransferInput!) {
    transfer(input: $input) {
      replayed
      transaction { id status failureCode createdAt completedAt amount { amount currency } }
      userErrors { code message path }
    }
  }
`;

interface Answer {
  readonly data?: { readonly transfer?: TransferPayload | null } | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: unknown; readonly retryAfterSeconds?: unknown } }[];
}

/** Transfers over HTTP with `fetch`. */
export function transferOver({ url, token, patienceMilliseconds = 12_000 }: HttpOptions): Transfer<TransferPayload> {
  return async (input, signal) => {
    const bearer = await token().catch((error: unknown) => {
      throw failed("NO_TOKEN", messageOf(error));
    });
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), patienceMilliseconds);
    const abort = (): void => patience.abort();
    signal.addEventListener("abort", abort);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({ query: TRANSFER_DOCUMENT, variables: { input } }),
        signal: patience.signal,
      });
      return payloadOf((await response.json()) as Answer | null, response);
    } catch (error) {
      throw error instanceof TransferError ? error : failed("NETWORK", "The service did not answer.");
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  };
}

function payloadOf(answer: Answer | null, { status }: Response): TransferPayload {
  const payload = answer?.data?.transfer;
  // An error beside an outcome is about what was asked of it: the outcome is final.
  if (payload && Array.isArray(payload.userErrors)) {
    return payload;
  }
  const [error] = answer?.errors ?? [];
  if (error === undefined) {
    throw failed("NETWORK", `The answer does not come from Paycore (HTTP status ${String(status)}).`);
  }
  const { code, retryAfterSeconds } = error.extensions ?? {};
  throw failed(typeof code === "string" ? code : "INTERNAL", error.message, typeof retryAfterSeconds === "number" ? retryAfterSeconds : null);
}

function failed(code: string, message: string, retryAfterSeconds: Trouble["retryAfterSeconds"] = null): TransferError {
  return new TransferError({ code, message, retryAfterSeconds });
}
