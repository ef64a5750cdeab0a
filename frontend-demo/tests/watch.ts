/**
 * Watches a wallet and prints what it is told, one JSON object a line, until its input ends.
 * Arguments: the GraphQL endpoint and the wallet's id. PAYCORE_TOKEN is the token.
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

// No exit: once it is stopped, nothing may keep the process.
process.stdin.on("end", () => watch.stop()).resume();
