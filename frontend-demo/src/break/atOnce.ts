import { stringifyDocument, type AnyVariables, type DocumentInput } from "@urql/core";
import { createClient, type Client } from "graphql-ws";
import { webSocketUrl } from "../live/hub.js";
import { answerOf, settle, type Attempt, type Payload, type Transfer, type TransferInput } from "../paycore-pay/index.js";
import type { Account } from "../session/account.js";

/** Requests per WebSocket. Over HTTP a browser has at most six requests to one service at a time. */
const PER_SOCKET = 50;

/** One of the mutations that are sent at once. */
export interface Sending<P extends Payload> {
  readonly document: DocumentInput<unknown, AnyVariables>;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Null if the answer has no payload. */
  readonly payloadOf: (data: unknown) => P | null;
  /** Sends the same again over HTTP, with its key. */
  readonly again: Transfer<P>;
  readonly input: TransferInput;
}

/** Sends all at once. Calls `onAnswer` for each answer when it arrives, with the index of what was sent. */
export async function atOnce<P extends Payload>(account: Account, sendings: readonly Sending<P>[], onAnswer: (index: number, answer: Attempt<P>) => void): Promise<Attempt<P>[]> {
  const url = webSocketUrl();
  const clients = Array.from({ length: Math.ceil(sendings.length / PER_SOCKET) }, () =>
    createClient({ url, retryAttempts: 0, connectionParams: async () => ({ Authorization: `Bearer ${await account.token()}` }) }),
  );
  try {
    return await Promise.all(
      sendings.map(async (sending, index) => {
        // A request without an answer is sent again with the same key, until its outcome is known.
        const answer = (await sendOver(clients[Math.floor(index / PER_SOCKET)], sending)) ?? (await settle(sending.again, sending.input, { wasUnknown: true }));
        onAnswer(index, answer);
        return answer;
      }),
    );
  } finally {
    clients.forEach((client) => void client.dispose());
  }
}

function sendOver<P extends Payload>(client: Client | undefined, { document, variables, payloadOf }: Sending<P>): Promise<Attempt<P> | null> {
  return new Promise((resolve) => {
    client?.subscribe(
      { query: stringifyDocument(document), variables },
      {
        next: ({ data }) => {
          const payload = data ? payloadOf(data) : null;
          resolve(payload && answerOf(payload));
        },
        error: () => resolve(null),
        complete: () => resolve(null),
      },
    );
  });
}
