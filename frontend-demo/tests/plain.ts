/**
 * Watches a wallet with graphql-ws alone, whose own retries bring it back, and prints what it is told, one JSON object a
 * line, until its input ends. Arguments: the GraphQL endpoint and the wallet's id. PAYCORE_TOKEN is the token.
 */

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url = "", walletId = ""] = process.argv.slice(2);
const query = `
  subscription ($walletId: ID!, $after: String) {
    walletUpdated(walletId: $walletId, after: $after) { kind cursor entry { sequence balanceAfter { amount } } }
  }
`;
// Sent anew with each subscription, so that a retry goes on from the newest cursor.
const variables: { walletId: string; after?: string } = { walletId };

interface Told {
  readonly walletUpdated: { readonly kind: string; readonly cursor: string };
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${process.env["PAYCORE_TOKEN"] ?? ""}` },
  retryAttempts: 100,
  // By default it gives up where nobody listens, as while the service restarts.
  shouldRetry: () => true,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  on: { closed: (event) => print({ closed: (event as { code: number }).code }) },
});

client.subscribe<Told>(
  { query, variables },
  {
    next: ({ data, errors }) => {
      if (data) {
        variables.after = data.walletUpdated.cursor;
        print({ update: data.walletUpdated });
      } else {
        print({ errors });
      }
    },
    error: (error) => print({ failed: String(error) }),
    complete: () => print({ complete: true }),
  },
);

process.stdin.on("end", () => void client.dispose()).resume();
