import type { Client, CombinedError } from "@urql/core";
import { troubleOf } from "../graphql/client.js";
import { settle as settleOver, TransferError, type Attempt as AttemptOf, type Transfer } from "../paycore-pay/index.js";
import { TRANSFER, type TransferInput, type TransferPayload } from "./queries.js";

export type Attempt = AttemptOf<TransferPayload>;

export type Done = Extract<Attempt, { readonly kind: "done" }>;

/** Transfers through the page's own client, so that its failures count for the page's connection, and its answers have all that a page shows. */
export function transferBy(client: Client): Transfer<TransferPayload> {
  return async (input) => {
    const { data, error } = await client.mutation(TRANSFER, { input }).toPromise();
    return payloadOr(error, data?.transfer);
  };
}

/** The payload of a mutation. Throws the TransferError of an answer without one. */
export function payloadOr<P>(error: CombinedError | undefined, payload: P | null | undefined): P {
  if (error !== undefined) {
    throw new TransferError(troubleOf(error));
  }
  if (!payload) {
    throw new TransferError({ code: "INTERNAL", message: "There was no answer.", retryAfterSeconds: null });
  }
  return payload;
}

/** Sends it until its outcome is known, with the same key. Gives up after so many tries as paycore-pay does by default. */
export function settle(client: Client, input: TransferInput, wasUnknown = false): Promise<Attempt> {
  return settleOver(transferBy(client), input, { wasUnknown });
}
