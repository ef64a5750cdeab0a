import { stringifyDocument } from "@urql/core";
import { createClient, type Client } from "graphql-ws";
import type { ResultOf } from "../graphql/tada.js";
import { webSocketUrl } from "../live/hub.js";
import { answerOf } from "../paycore-pay/index.js";
import { settle, type Attempt } from "../send/attempt.js";
import { TRANSFER, type TransferInput } from "../send/queries.js";
import type { Account } from "../session/account.js";

/** Requests per WebSocket. Over HTTP a browser has at most six requests to one service at a time. */
const PER_SOCKET = 50;
const QUERY = stringifyDocument(TRANSFER);

/** Sends all inputs at once. Calls `onAnswer` for each answer when it arrives, with the index of its input. */
export async function sendAtOnce(
  account: Account,
  inputs: readonly TransferInput[],
  onAnswer: (index: number, answer: Attempt) => void,
): Promise<Attempt[]> {
  const url = webSocketUrl();
  const clients = Array.from({ length: Math.ceil(inputs.length / PER_SOCKET) }, () =>
    createClient({ url, retryAttempts: 0, connectionParams: async () => ({ Authorization: `Bearer ${await account.token()}` }) }),
  );
  try {
    return await Promise.all(
      inputs.map(async (input, index) => {
        // A request without an answer is sent again with the same key, until its outcome is known.
        const answer = (await sendOver(clients[Math.floor(index / PER_SOCKET)], input)) ?? (await settle(account.plain, input, true));
        onAnswer(index, answer);
        return answer;
      }),
    );
  } finally {
    clients.forEach((client) => void client.dispose());
  }
}

function sendOver(client: Client | undefined, input: TransferInput): Promise<Attempt | null> {
  return new Promise((resolve) => {
    client?.subscribe<ResultOf<typeof TRANSFER>>(
      { query: QUERY, variables: { input } },
      {
        next: ({ data }) => resolve(data?.transfer ? answerOf(data.transfer) : null),
        error: () => resolve(null),
        complete: () => resolve(null),
      },
    );
  });
}
