/** The client with the standard WebSocket of browsers and Node. The other tests use the package `ws`. */

import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { watchWallet, type WalletUpdate } from "../../src/paycore-live/index.js";
import { Service, pause, soon } from "./service.js";
import { TIMING, WALLET, cursorAt, entries, entrySummaries, snapshot, summary } from "./world.js";

test.each([undefined, 1000, 1012, 4403])("the watch resumes after a connection that ends with %s, and stops", async (code) => {
  const service = await Service.start();
  const updates: WalletUpdate[] = [];
  const watch = watchWallet({
    url: service.url,
    walletId: WALLET,
    token: () => Promise.resolve("token"),
    onUpdate: (update) => updates.push(update),
    onEnd: (error) => expect.fail(error.message),
    timing: TIMING,
  });
  const first = await service.subscribed(0);
  first.update(snapshot(0), ...entries(1, 3));
  await soon(() => updates.length === 4);
  first.close(code);
  const second = await service.subscribed(1);
  expect(second.subscription?.after).toBe(cursorAt(3));
  second.update(...entries(4, 5), snapshot(5));
  await soon(() => watch.state === "live");
  let closed: number | undefined;
  second.socket.on("close", (given) => (closed = given));
  watch.stop();
  await soon(() => closed !== undefined);
  expect(closed).toBe(1000);
  expect(updates.map(summary)).toEqual(["SNAPSHOT 0", ...entrySummaries(1, 5), "SNAPSHOT 5"]);
  expect(service.connections.length).toBe(2);
  await service.stop();
});

test("the watch retries a server that does not answer, and stops while it connects", async () => {
  const accepted: Socket[] = [];
  const silent = createServer((socket) => accepted.push(socket.resume().on("error", () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  let tries = 0;
  const watch = watchWallet({
    url: `ws://127.0.0.1:${String((silent.address() as AddressInfo).port)}/graphql`,
    walletId: WALLET,
    token: () => Promise.resolve(`token-${String(++tries)}`),
    onUpdate: () => expect.fail("there can be no update"),
    onEnd: (error) => expect.fail(error.message),
    timing: { ...TIMING, connect: 100 },
  });
  await soon(() => tries === 3);
  watch.stop();
  await pause(200);
  // Count the tokens, not the connections: if a connecting socket is closed, Node opens another connection and drops it.
  expect(tries).toBe(3);
  expect(accepted.length).toBeGreaterThanOrEqual(2);
  accepted.forEach((socket) => socket.destroy());
  silent.close();
});
