/**
 * Pays 1.00 USD with what is stored in a file, as a page does with its sessionStorage, and prints the states, one JSON object a line.
 * Arguments: the GraphQL endpoint, the paying and the receiving wallet's ids, the file, and how many answers are lost on the way.
 * If the file holds an open payment, it is resumed instead. PAYCORE_TOKEN is the token.
 */

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { PaymentIntent, TransferError, transferOver, type KeyStorage } from "../src/paycore-pay/index.js";

const [url = "", senderWalletId = "", receiverWalletId = "", file = "", lost = "0"] = process.argv.slice(2);
const storage: KeyStorage = {
  getItem: () => (existsSync(file) ? readFileSync(file, "utf8") : null),
  setItem: (_, value) => writeFileSync(file, value),
  removeItem: () => rmSync(file, { force: true }),
};
const transfer = transferOver({ url, token: () => Promise.resolve(process.env["PAYCORE_TOKEN"] ?? "") });
let answers = 0;

const intent = new PaymentIntent({
  owner: "test",
  storage,
  timing: { firstPause: 10, longestPause: 10, mostTries: 2 },
  transfer: async (input, signal) => {
    const payload = await transfer(input, signal);
    answers += 1;
    if (answers <= Number(lost)) {
      throw new TransferError({ code: "NETWORK", message: "The answer is lost.", retryAfterSeconds: null });
    }
    return payload;
  },
});
intent.subscribe(() => process.stdout.write(`${JSON.stringify(intent.state)}\n`));
if (existsSync(file)) {
  await intent.resume();
} else {
  await intent.send({ senderWalletId, receiverWalletId, amount: { amount: "1.00", currency: "USD" } });
}
