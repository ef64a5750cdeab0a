import { createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Service, pause, soon } from "./service.js";
import { TIMING, cursorAt, entry, snapshot, watching, type Diary } from "./world.js";

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
/** Long enough that no timer ends by itself here. */
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

/** Nothing is left of the watch, and nothing is told of it any more. */
async function nothingIsLeft(diary: Diary): Promise<void> {
  const known = JSON.stringify([diary.told, diary.states, diary.tokensAsked]);
  const connections = service.connections.length;
  await soon(() => timers.size === 0);
  await soon(() => service.open === 0);
  await pause(100);
  expect(timers.size).toBe(0);
  expect(service.connections.length).toBe(connections);
  expect(JSON.stringify([diary.told, diary.states, diary.tokensAsked])).toBe(known);
  expect(diary.ends).toEqual([]);
  expect(diary.watch.state).toBe("offline");
}

test("before it has begun", async () => {
  const diary = watching(service, { timing: LONG });
  expect(timers.size).toBe(1);
  diary.watch.stop();
  await nothingIsLeft(diary);
  expect(diary.states).toEqual([]);
});

test("while it waits for a token", async () => {
  let give: (token: string) => void = () => undefined;
  const diary = watching(service, { token: () => new Promise((resolve) => (give = resolve)), timing: LONG });
  await soon(() => diary.watch.state === "connecting");
  diary.watch.stop();
  give("too late");
  await nothingIsLeft(diary);
});

test("while it connects", async () => {
  const swallowed: Socket[] = [];
  const hole = createServer((socket) => {
    swallowed.push(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", resolve));
  const diary = watching({ url: `ws://127.0.0.1:${String((hole.address() as AddressInfo).port)}/graphql` }, { timing: LONG });
  await soon(() => swallowed.length === 1);
  diary.watch.stop();
  await nothingIsLeft(diary);
  await soon(() => swallowed.every((socket) => socket.destroyed || socket.readableEnded || socket.resume().readableEnded));
  hole.close();
});

test("while it is live: the subscription is completed and the socket closed properly", async () => {
  service.answersPings = false;
  const diary = watching(service, { timing: { ...LONG, ping: 20 } });
  const first = await service.subscribed(0);
  const messages: string[] = [];
  let code: number | undefined;
  first.socket.on("message", (text: Buffer) => messages.push((JSON.parse(text.toString()) as { type: string }).type));
  first.socket.on("close", (closed) => (code = closed));
  first.update(snapshot(1));
  await soon(() => messages.includes("ping"));
  expect(timers.size).toBeGreaterThan(0);
  diary.watch.stop();
  first.update(entry(2));
  await nothingIsLeft(diary);
  expect(messages.at(-1)).toBe("complete");
  expect(code).toBe(1000);
});

test("within a callback", async () => {
  const diary = watching(service, {
    timing: LONG,
    onUpdate: (update) => {
      diary.told.push(update.kind);
      diary.watch.stop();
    },
  });
  (await service.subscribed(0)).update(snapshot(1), entry(2));
  await soon(() => diary.told.length > 0);
  await nothingIsLeft(diary);
  expect(diary.told).toEqual(["SNAPSHOT"]);
});

test("while it waits to try again", async () => {
  const diary = watching(service, { timing: { ...LONG, firstRetry: 60_000, longestRetry: 60_000 } });
  (await service.subscribed(0)).close();
  await soon(() => diary.watch.state === "offline");
  expect(timers.size).toBe(1);
  diary.watch.stop();
  diary.watch.resume();
  await nothingIsLeft(diary);
});

test("a pause leaves nothing either, and resume goes on from the cursor", async () => {
  const diary = watching(service, { timing: LONG });
  (await service.subscribed(0)).update(snapshot(1), entry(2));
  await soon(() => diary.told.length === 2);
  diary.watch.pause();
  await nothingIsLeft(diary);
  diary.watch.resume();
  const second = await service.subscribed(1);
  expect(second.subscription?.after).toBe(cursorAt(2));
  second.update(entry(3), snapshot(3));
  await soon(() => diary.watch.state === "live");
  diary.watch.stop();
  await nothingIsLeft(diary);
  expect(diary.told).toEqual(["SNAPSHOT 1", "ENTRY 2", "ENTRY 3", "SNAPSHOT 3"]);
});
