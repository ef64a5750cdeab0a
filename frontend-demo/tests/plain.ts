/**
 * Watches a wallet until its input ends with graphql-ws alone, which reconnects by its own retries. Prints each update,
 * error and close as one line of JSON. Arguments: the GraphQL endpoint and the wallet's id. The token is in PAYCORE_TOKEN.
 */

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url = "", walletId = ""] = process.argv.slice(2);
const query = `
  subscription ($walletId: ID!, $after: String) {
    walletUpdated(walletId: $walletId, after: $after) { kind cursor entry { sequence balanceAfter { amount } } }
  }
`;
// graphql-ws sends this object again with each retry, so a retry resumes at the newest cursor.
const variables: { walletId: string; after?: string } = { walletId };

interface Result {
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
  // By default graphql-ws gives up if the connection is refused, as it is while the service restarts.
  shouldRetry: () => true,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  on: { closed: (event) => print({ closed: (event as { code: number }).code }) },
});

client.subscribe<Result>(
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
