/** Several watches on one socket. */

import WebSocket from "ws";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LiveSocket, watchWallet, type WalletWatch, type WatchError } from "../../src/paycore-live/index.js";
import { Service, pause, soon, type Connection } from "./service.js";
import { TIMING, cursorAt, entries, entrySummaries, snapshot, summary } from "./world.js";

const [FIRST, SECOND] = ["wal_first", "wal_second"] as const;

interface Watching {
  readonly watch: WalletWatch;
  readonly summaries: string[];
  readonly ends: WatchError[];
}

let service: Service;
let socket: LiveSocket;
let tokens: number;
const running: WalletWatch[] = [];

beforeEach(async () => {
  service = await Service.start();
  tokens = 0;
  const token = (): Promise<string> => Promise.resolve(`token-${String(++tokens)}`);
  socket = new LiveSocket({ url: service.url, token, webSocketImpl: WebSocket, timing: TIMING });
});

afterEach(async () => {
  running.splice(0).forEach((watch) => watch.stop());
  await service.stop();
});

function watching(walletId: string): Watching {
  const lines: string[] = [];
  const ends: WatchError[] = [];
  const watch = watchWallet({ socket, walletId, onUpdate: (update) => lines.push(summary(update)), onEnd: (error) => ends.push(error) });
  running.push(watch);
  return { watch, summaries: lines, ends };
}

/** Resolves to the connection with this index, once both wallets are subscribed on it. */
async function bothSubscribed(index: number): Promise<Connection> {
  await soon(() => service.connections[index]?.idOf.size === 2);
  return service.subscribed(index);
}

test("watches on one socket share a connection and a token, and each gets its own updates", async () => {
  const [first, second] = [watching(FIRST), watching(SECOND)];
  const connection = await bothSubscribed(0);
  connection.updateOf(FIRST, snapshot(0), ...entries(1, 2));
  connection.updateOf(SECOND, snapshot(7), ...entries(8, 8));
  await soon(() => first.summaries.length === 3 && second.summaries.length === 2);
  expect(first.summaries).toEqual(["SNAPSHOT 0", ...entrySummaries(1, 2)]);
  expect(second.summaries).toEqual(["SNAPSHOT 7", "ENTRY 8"]);
  expect([service.connections.length, tokens]).toEqual([1, 1]);
});

test("a later watch joins the open connection and becomes live", async () => {
  const first = watching(FIRST);
  const connection = await service.subscribed(0);
  connection.updateOf(FIRST, snapshot(0));
  await soon(() => first.watch.state === "live");
  const second = watching(SECOND);
  await bothSubscribed(0);
  connection.updateOf(SECOND, snapshot(3));
  await soon(() => second.watch.state === "live");
  expect(service.connections.length).toBe(1);
});

test("after a lost connection each goes on from its own cursor, on one new connection", async () => {
  const [first, second] = [watching(FIRST), watching(SECOND)];
  const before = await bothSubscribed(0);
  before.updateOf(FIRST, snapshot(2));
  before.updateOf(SECOND, snapshot(5));
  await soon(() => first.summaries.length === 1 && second.summaries.length === 1);
  const cursors = new Map<string, string | undefined>();
  service.onSubscribe = ({ subscription }) => cursors.set(subscription?.walletId ?? "", subscription?.after);
  before.close();
  const after = await bothSubscribed(1);
  expect(cursors).toEqual(new Map([[FIRST, cursorAt(2)], [SECOND, cursorAt(5)]]));
  after.updateOf(FIRST, ...entries(3, 3), snapshot(3));
  after.updateOf(SECOND, snapshot(5));
  await soon(() => first.watch.state === "live" && second.watch.state === "live");
  expect(first.summaries).toEqual(["SNAPSHOT 2", "ENTRY 3", "SNAPSHOT 3"]);
  expect(service.connections.length).toBe(2);
});

test("a refused watch ends without the others", async () => {
  const [first, second] = [watching(FIRST), watching(SECOND)];
  const connection = await bothSubscribed(0);
  const payload = [{ message: "No.", extensions: { code: "NOT_FOUND" } }];
  connection.send({ id: connection.idOf.get(FIRST), type: "error", payload });
  await soon(() => first.ends.length === 1);
  connection.updateOf(SECOND, snapshot(1), ...entries(2, 2));
  await soon(() => second.summaries.length === 2);
  expect(first.ends[0]?.code).toBe("NOT_FOUND");
  expect([second.watch.state, service.connections.length, connection.isClosed]).toEqual(["live", 1, false]);
});

test("a watch whose token is refused gets a new connection and token, and the other keeps its own", async () => {
  const [first, second] = [watching(FIRST), watching(SECOND)];
  const old = await bothSubscribed(0);
  const payload = [{ message: "No.", extensions: { code: "UNAUTHENTICATED" } }];
  old.send({ id: old.idOf.get(FIRST), type: "error", payload });
  const renewed = await service.subscribed(1);
  renewed.updateOf(FIRST, snapshot(1));
  old.updateOf(SECOND, snapshot(2));
  await soon(() => first.watch.state === "live" && second.watch.state === "live");
  expect([old.token, renewed.token]).toEqual(["token-1", "token-2"]);
});

test("the connection is closed when the last watch stops, and not before", async () => {
  const [first, second] = [watching(FIRST), watching(SECOND)];
  const connection = await bothSubscribed(0);
  connection.updateOf(SECOND, snapshot(1));
  await soon(() => second.summaries.length === 1);
  first.watch.stop();
  await soon(() => connection.completed.length === 1);
  expect(connection.completed).toEqual([connection.idOf.get(FIRST)]);
  connection.updateOf(SECOND, ...entries(2, 2));
  await soon(() => second.summaries.length === 2);
  expect(connection.isClosed).toBe(false);
  second.watch.stop();
  await soon(() => connection.isClosed);
  await pause(100);
  expect(service.connections.length).toBe(1);
});

test("after RATE_LIMITED the watch waits for retryAfterSeconds", async () => {
  watching(FIRST);
  const connection = await service.subscribed(0);
  const refusedAt = performance.now();
  const payload = [{ message: "Later.", extensions: { code: "RATE_LIMITED", retryAfterSeconds: 0.5 } }];
  connection.send({ id: connection.idOf.get(FIRST), type: "error", payload });
  await service.subscribed(1);
  // The pauses of these tests are about 10 ms, so without retryAfterSeconds it would reconnect much earlier.
  expect(performance.now() - refusedAt).toBeGreaterThanOrEqual(490);
});
