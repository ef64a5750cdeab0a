import { afterEach, beforeEach, expect, test } from "vitest";
import WebSocket from "ws";
import { WatchError, walletUpdates, type IterateOptions, type WalletUpdate } from "../../src/paycore-live/index.js";
import { Service, pause, soon } from "./service.js";
import { TIMING, WALLET, cursorAt, entries, entrySummaries, entry, positionAt, snapshot, summary } from "./world.js";

let service: Service;

beforeEach(async () => {
  service = await Service.start();
});

afterEach(async () => {
  await service.stop();
});

function updates(options: Partial<IterateOptions> = {}): AsyncGenerator<WalletUpdate, void, undefined> {
  const token = (): Promise<string> => Promise.resolve("token");
  return walletUpdates({ url: service.url, walletId: WALLET, token, webSocketImpl: WebSocket, timing: TIMING, ...options });
}

test("a loop gets every update in order despite a lost connection, and leaving the loop ends the watch", async () => {
  service.onSubscribe = (connection) => {
    if (service.connections.length === 1) {
      connection.update(snapshot(0), entry(1), entry(2));
      connection.close();
    } else {
      connection.update(entry(2), entry(3), snapshot(3));
    }
  };
  const seen: string[] = [];
  for await (const update of updates()) {
    seen.push(summary(update));
    if (seen.length === 5) {
      break;
    }
  }
  expect(seen).toEqual(["SNAPSHOT 0", "ENTRY 1", "ENTRY 2", "ENTRY 3", "SNAPSHOT 3"]);
  await soon(() => service.open === 0);
  await pause(80);
  expect(service.connections.length).toBe(2);
});

test("a signal ends a waiting loop", async () => {
  const controller = new AbortController();
  service.onSubscribe = (connection) => {
    connection.update(snapshot(0));
    setTimeout(() => controller.abort(), 30);
  };
  const seen: string[] = [];
  for await (const update of updates({ signal: controller.signal })) {
    seen.push(summary(update));
  }
  expect(seen).toEqual(["SNAPSHOT 0"]);
  await soon(() => service.open === 0);
});

test("with an aborted signal the loop does not connect", async () => {
  expect(await updates({ signal: AbortSignal.abort() }).next()).toEqual({ done: true, value: undefined });
  await pause(50);
  expect(service.connections.length).toBe(0);
});

test("the loop throws the end of the watch after the updates before it", async () => {
  service.onSubscribe = (connection) => {
    connection.update(snapshot(0), entry(1));
    connection.close(4400);
  };
  const seen: string[] = [];
  const loop = async (): Promise<void> => {
    for await (const update of updates()) {
      seen.push(summary(update));
      await pause(30);
    }
  };
  await expect(loop()).rejects.toThrow(WatchError);
  expect(seen).toEqual(["SNAPSHOT 0", "ENTRY 1"]);
});

test("a slow loop holds at most its buffer and misses no update", async () => {
  const last = 50;
  service.onSubscribe = (connection) => {
    const after = Number(connection.subscription?.after?.replace("cursor-", ""));
    connection.update(...entries(after + 1, last), snapshot(last));
  };
  const seen: string[] = [];
  for await (const update of updates({ after: positionAt(0), buffer: 8 })) {
    seen.push(summary(update));
    if (seen.length === 1) {
      await pause(100);
      expect(service.open, "the connection is closed while the buffer is full").toBe(0);
    }
    if (update.kind === "SNAPSHOT") {
      break;
    }
  }
  expect(seen).toEqual([...entrySummaries(1, last), `SNAPSHOT ${String(last)}`]);
  const resumed = service.connections.map((connection) => connection.subscription?.after);
  expect(resumed).toEqual([0, 8, 16, 24, 32, 40, 48].map(cursorAt));
});

test("a loop that continues after a lost connection keeps the pauses between retries", async () => {
  service.onSubscribe = (connection) => {
    connection.update(snapshot(0));
    connection.close(1013);
  };
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 300);
  const slow = { ...TIMING, firstRetry: 100, longestRetry: 100 };
  for await (const update of updates({ signal: controller.signal, timing: slow })) {
    expect(update.kind).toBe("SNAPSHOT");
    await pause(10);
  }
  expect(service.connections.length).toBeLessThan(8);
});
