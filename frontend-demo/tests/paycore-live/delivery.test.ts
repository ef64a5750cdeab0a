import { afterEach, beforeEach, expect, test } from "vitest";
import { Service, pause, soon } from "./service.js";
import { WALLET, cursorAt, entries, entrySummaries, entry, positionAt, snapshot, state, wallet } from "./world.js";
import { watching, type WatchLog } from "./world.js";

let service: Service;
let log: WatchLog;

beforeEach(async () => {
  service = await Service.start();
});

afterEach(async () => {
  log.watch.stop();
  await service.stop();
});

test("without a position a watch starts with a snapshot and continues live", async () => {
  log = watching(service);
  const first = await service.subscribed(0);
  expect(first.subscription).toMatchObject({ walletId: WALLET, after: undefined });
  first.update(snapshot(3), entry(4), entry(5));
  await soon(() => log.summaries.length === 3);
  expect(log.summaries).toEqual(["SNAPSHOT 3", "ENTRY 4", "ENTRY 5"]);
  expect(log.states).toEqual(["connecting", "live"]);
  expect(log.updates[2]).toMatchObject({ entry: { amount: { amount: "1.00" } }, position: positionAt(5) });
  expect(log.watch.position).toEqual(positionAt(5));
});

test("with a position a watch first catches up from that position", async () => {
  log = watching(service, { after: positionAt(7) });
  const first = await service.subscribed(0);
  expect(first.subscription?.after).toBe(cursorAt(7));
  await soon(() => log.watch.state === "catching-up");
  first.update(entry(8), entry(9), snapshot(9));
  await soon(() => log.watch.state === "live");
  expect(log.summaries).toEqual(["ENTRY 8", "ENTRY 9", "SNAPSHOT 9"]);
  expect(log.states).toEqual(["connecting", "catching-up", "live"]);
});

test.each([undefined, 1000, 1001, 1011, 1012, 1013, 4408, 4409, 4500])(
  "after a connection that ends with %s the watch reconnects and resumes from the cursor",
  async (code) => {
    log = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(0), ...entries(1, 3));
    await soon(() => log.summaries.length === 4);
    first.close(code);
    const second = await service.subscribed(1);
    expect(second.subscription?.after).toBe(cursorAt(3));
    second.update(...entries(4, 5), snapshot(5));
    await soon(() => log.summaries.length === 7);
    expect(log.summaries).toEqual(["SNAPSHOT 0", ...entrySummaries(1, 5), "SNAPSHOT 5"]);
    expect(log.states).toEqual(["connecting", "live", "offline", "connecting", "catching-up", "live"]);
    expect(log.reasons.map((reason) => reason.kind)).toEqual(["unreachable"]);
    await pause(60);
    expect(service.connections.length, "there is no further connection").toBe(2);
  },
);

test("the watch reconnects if the service completes its subscription", async () => {
  log = watching(service);
  const first = await service.subscribed(0);
  first.update(snapshot(2));
  first.send({ id: first.subscription?.id, type: "complete" });
  expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(2));
  await soon(() => first.isClosed);
});

test("updates that were delivered before are dropped, on the same and on a new connection", async () => {
  log = watching(service);
  const first = await service.subscribed(0);
  first.update(snapshot(0), entry(1), entry(1), entry(2), entry(1), entry(3));
  await soon(() => log.summaries.length === 4);
  first.close();
  (await service.subscribed(1)).update(...entries(1, 4), snapshot(4), entry(4), entry(5));
  await soon(() => log.summaries.length === 7);
  expect(log.summaries).toEqual(["SNAPSHOT 0", ...entrySummaries(1, 4), "SNAPSHOT 4", "ENTRY 5"]);
});

test.each([
  ["entry", entry(5)],
  ["snapshot", snapshot(5)],
])("after a gap the watch does not deliver the %s but resumes from the cursor", async (_, early) => {
  log = watching(service);
  const first = await service.subscribed(0);
  first.update(snapshot(2), entry(3), early, entry(4), entry(5));
  const second = await service.subscribed(1);
  expect(second.subscription?.after).toBe(cursorAt(3));
  await soon(() => first.isClosed);
  second.update(entry(4), entry(5), snapshot(5), entry(6));
  await soon(() => log.summaries.length === 6);
  expect(log.summaries).toEqual(["SNAPSHOT 2", ...entrySummaries(3, 5), "SNAPSHOT 5", "ENTRY 6"]);
});

test("sequences that are equal as a Number are different entries", async () => {
  const start = 2n ** 62n;
  log = watching(service, { after: positionAt(start) });
  (await service.subscribed(0)).update(entry(start + 1n), entry(start + 2n), entry(start + 2n), entry(start + 3n));
  await soon(() => log.summaries.length === 3);
  expect(log.watch.position).toEqual(positionAt(start + 3n));
  expect(service.connections.length).toBe(1);
});

test("a new state is delivered, an outdated one is not, and neither changes the position", async () => {
  log = watching(service);
  const first = await service.subscribed(0);
  first.update(snapshot(1), state(1, "FROZEN"), entry(2), state(1, "ACTIVE"), state(4, "ACTIVE"), entry(3));
  await soon(() => log.summaries.length === 5);
  expect(log.summaries).toEqual(["SNAPSHOT 1", "STATE 1", "ENTRY 2", "STATE 4", "ENTRY 3"]);
  expect(log.updates.map((update) => update.position.sequence)).toEqual(["1", "1", "2", "2", "3"]);
});

test("an update of an unknown kind is ignored", async () => {
  log = watching(service);
  const hold = { kind: "HOLD", cursor: cursorAt(9), wallet: wallet(9), entry: null };
  (await service.subscribed(0)).update(snapshot(1), hold, entry(2));
  await soon(() => log.summaries.length === 2);
  expect(log.summaries).toEqual(["SNAPSHOT 1", "ENTRY 2"]);
});

test.each([1, 2, 3])("every entry is delivered once and in order despite lost connections, repeats and gaps (seed %i)", async (seed) => {
  const random = randomFrom(seed);
  const last = 300;
  let shared = 0;
  service.onSubscribe = (connection) => {
    const after = Number(connection.subscription?.after?.replace("cursor-", ""));
    shared = Math.min(last, Math.max(after, shared) + 20);
    connection.update(...entries(after + 1, shared).slice(random() < 0.2 ? 1 : 0), snapshot(shared));
    for (let sequence = Math.max(1, shared - 5); sequence <= Math.min(last, shared + 10); sequence++) {
      if (random() > 0.05) {
        connection.update(entry(sequence));
      }
    }
    connection.close([undefined, 1000, 1012][Math.floor(random() * 3)]);
  };
  log = watching(service, { after: positionAt(0), timing: { firstRetry: 1, longestRetry: 1 } });
  await soon(() => log.watch.position?.sequence === String(last), 15_000);
  expect(log.summaries.filter((line) => line.startsWith("ENTRY"))).toEqual(entrySummaries(1, last));
  expect(service.connections.length).toBeGreaterThan(5);
});

/** A generator of numbers from 0 to 1, which are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
