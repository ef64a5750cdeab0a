/** The package `ws` is one WebSocket among others: with the one of browsers, which Node has too, it goes the same way. */

import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { watchWallet, type WalletUpdate } from "../../src/paycore-live/index.js";
import { Service, pause, soon } from "./service.js";
import { TIMING, WALLET, cursorAt, entries, entriesTold, snapshot, told } from "./world.js";

test.each([undefined, 1000, 1012, 4403])("it resumes after a connection that ends with %s, and stops", async (code) => {
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
  expect(updates.map(told)).toEqual(["SNAPSHOT 0", ...entriesTold(1, 5), "SNAPSHOT 5"]);
  expect(service.connections.length).toBe(2);
  await service.stop();
});

test("it gives up a server that says nothing, tries again, and stops while it connects", async () => {
  const swallowed: Socket[] = [];
  const hole = createServer((socket) => swallowed.push(socket.resume().on("error", () => undefined)));
  await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", resolve));
  let tries = 0;
  const watch = watchWallet({
    url: `ws://127.0.0.1:${String((hole.address() as AddressInfo).port)}/graphql`,
    walletId: WALLET,
    token: () => Promise.resolve(`token-${String(++tries)}`),
    onUpdate: () => expect.fail("nothing can come"),
    onEnd: (error) => expect.fail(error.message),
    timing: { ...TIMING, connect: 100 },
  });
  await soon(() => tries === 3);
  watch.stop();
  await pause(200);
  // Not the connections: Node itself makes another one, and drops it, when a socket is closed that still connects.
  expect(tries).toBe(3);
  expect(swallowed.length).toBeGreaterThanOrEqual(2);
  swallowed.forEach((socket) => socket.destroy());
  hole.close();
});
