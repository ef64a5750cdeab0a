import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Service, pause, soon } from "./service.js";
import { TIMING, cursorAt, entry, snapshot, watching, type WatchLog } from "./world.js";

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
/** So long that no timer fires during a test. */
const LONG = { ...TIMING, connect: 60_000, ping: 60_000, pong: 60_000 };
const timers = new Set<unknown>();
let service: Service;

beforeEach(async () => {
  service = await Service.start();
  timers.clear();
  const counted = (callback: (...given: unknown[]) => void, milliseconds?: number, ...given: unknown[]): unknown => {
    const timer = realSetTimeout(() => {
      timers.delete(timer);
      callback(...given);
    }, milliseconds);
    timers.add(timer);
    return timer;
  };
  globalThis.setTimeout = counted as typeof realSetTimeout;
  globalThis.clearTimeout = ((timer) => {
    timers.delete(timer);
    realClearTimeout(timer);
  });
});

afterEach(async () => {
  globalThis.setTimeout = realSetTimeout;
  globalThis.clearTimeout = realClearTimeout;
  await service.stop();
});

/** Checks that a stopped watch has no timer and no connection, and calls no callback. */
async function expectNothingLeft(log: WatchLog): Promise<void> {
  const known = JSON.stringify([log.summaries, log.states, log.tokenRequests]);
  const connections = service.connections.length;
  await soon(() => timers.size === 0);
  await soon(() => service.open === 0);
  await pause(100);
  expect(timers.size).toBe(0);
  expect(service.connections.length).toBe(connections);
  expect(JSON.stringify([log.summaries, log.states, log.tokenRequests])).toBe(known);
  expect(log.ends).toEqual([]);
  expect(log.watch.state).toBe("offline");
}

test("a watch can be stopped before it starts to connect", async () => {
  const log = watching(service, { timing: LONG });
  expect(timers.size).toBe(1);
  log.watch.stop();
  await expectNothingLeft(log);
  expect(log.states).toEqual([]);
});

test("a watch can be stopped while it waits for a token", async () => {
  let give: (token: string) => void = () => undefined;
  const log = watching(service, { token: () => new Promise((resolve) => (give = resolve)), timing: LONG });
  await soon(() => log.watch.state === "connecting");
  log.watch.stop();
  give("too late");
  await expectNothingLeft(log);
});

test("a watch can be stopped while it connects", async () => {
  const accepted: Socket[] = [];
  const silent = createServer((socket) => {
    accepted.push(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const log = watching({ url: `ws://127.0.0.1:${String((silent.address() as AddressInfo).port)}/graphql` }, { timing: LONG });
  await soon(() => accepted.length === 1);
  log.watch.stop();
  await expectNothingLeft(log);
  await soon(() => accepted.every((socket) => socket.destroyed || socket.readableEnded || socket.resume().readableEnded));
  silent.close();
});

test("stopping a live watch completes its subscription and closes the socket with code 1000", async () => {
  service.answersPings = false;
  const log = watching(service, { timing: { ...LONG, ping: 20 } });
  const first = await service.subscribed(0);
  const messages: string[] = [];
  let code: number | undefined;
  first.socket.on("message", (text: Buffer) => messages.push((JSON.parse(text.toString()) as { type: string }).type));
  first.socket.on("close", (closed) => (code = closed));
  first.update(snapshot(1));
  await soon(() => messages.includes("ping"));
  expect(timers.size).toBeGreaterThan(0);
  log.watch.stop();
  first.update(entry(2));
  await expectNothingLeft(log);
  expect(messages.at(-1)).toBe("complete");
  expect(code).toBe(1000);
});

test("a watch can be stopped in a callback", async () => {
  const log = watching(service, {
    timing: LONG,
    onUpdate: (update) => {
      log.summaries.push(update.kind);
      log.watch.stop();
    },
  });
  (await service.subscribed(0)).update(snapshot(1), entry(2));
  await soon(() => log.summaries.length > 0);
  await expectNothingLeft(log);
  expect(log.summaries).toEqual(["SNAPSHOT"]);
});

test("a watch can be stopped while it waits to reconnect", async () => {
  const log = watching(service, { timing: { ...LONG, firstRetry: 60_000, longestRetry: 60_000 } });
  (await service.subscribed(0)).close();
  await soon(() => log.watch.state === "offline");
  expect(timers.size).toBe(1);
  log.watch.stop();
  log.watch.resume();
  await expectNothingLeft(log);
});

test("a paused watch has no timer and no connection, and resume continues from the cursor", async () => {
  const log = watching(service, { timing: LONG });
  (await service.subscribed(0)).update(snapshot(1), entry(2));
  await soon(() => log.summaries.length === 2);
  log.watch.pause();
  await expectNothingLeft(log);
  log.watch.resume();
  const second = await service.subscribed(1);
  expect(second.subscription?.after).toBe(cursorAt(2));
  second.update(entry(3), snapshot(3));
  await soon(() => log.watch.state === "live");
  log.watch.stop();
  await expectNothingLeft(log);
  expect(log.summaries).toEqual(["SNAPSHOT 1", "ENTRY 2", "ENTRY 3", "SNAPSHOT 3"]);
});
