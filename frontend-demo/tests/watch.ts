/**
 * Watches a wallet until its input ends. Prints each update, state and end as one line of JSON.
 * Arguments: the GraphQL endpoint and the wallet's id. The token is in PAYCORE_TOKEN.
 */

import WebSocket from "ws";
import { watchWallet } from "../src/paycore-live/index.js";

const [url = "", walletId = ""] = process.argv.slice(2);

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const watch = watchWallet({
  url,
  walletId,
  token: () => {
    print({ asked: "token" });
    return Promise.resolve(process.env["PAYCORE_TOKEN"] ?? "");
  },
  onUpdate: (update) => print({ update }),
  onState: (state, reason) => print({ state, reason: reason?.message }),
  onEnd: (error) => {
    print({ end: error.kind, code: error.code });
    process.stdin.destroy();
  },
  webSocketImpl: WebSocket,
});

// Without process.exit(): a stopped watch must not keep the process running.
process.stdin.on("end", () => watch.stop()).resume();
