import { createServer, type Server, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { watchWallet } from "../../src/paycore-live/index.js";
import { Backoff } from "../../src/paycore-live/backoff.js";
import { Service, pause, soon } from "./service.js";
import { TIMING, cursorAt, entry, positionAt, snapshot, watching, type WatchLog } from "./world.js";

let service: Service;
let log: WatchLog;

beforeEach(async () => {
  service = await Service.start();
});

afterEach(async () => {
  log.watch.stop();
  await service.stop();
});

/** Checks that the watch ends with this error, reports it once, and does not reconnect. */
async function ended(kind: string, code?: string): Promise<void> {
  await soon(() => log.ends.length > 0);
  const connections = service.connections.length;
  await pause(100);
  expect(log.ends.map((end) => [end.kind, end.code])).toEqual([[kind, code]]);
  expect(log.states.at(-1)).toBe("offline");
  expect(service.connections.length).toBe(connections);
  await soon(() => service.open === 0);
}

describe("tokens", () => {
  test("each connection gets a new token", async () => {
    log = watching(service);
    (await service.subscribed(0)).close();
    (await service.subscribed(1)).close();
    await service.subscribed(2);
    expect(service.connections.map((connection) => connection.token)).toEqual(["token-1", "token-2", "token-3"]);
  });

  test.each([4401, 4403])("a token that expires during a watch (%i) is replaced, any number of times", async (code) => {
    log = watching(service);
    (await service.subscribed(0)).update(snapshot(1));
    for (let round = 0; round < 4; round++) {
      await soon(() => log.summaries.length === round + 1);
      (await service.subscribed(round)).close(code);
      const next = await service.subscribed(round + 1);
      expect(next.subscription?.after).toBe(cursorAt(1));
      next.update(snapshot(1));
    }
    expect(log.ends).toEqual([]);
  });

  test.each([4401, 4403])("a refused token (%i) is replaced once, and a second refusal ends the watch", async (code) => {
    service.refuse = () => code;
    log = watching(service);
    await ended("unauthenticated", String(code));
    expect(log.tokenRequests).toBe(2);
  });

  test("the watch continues if the second token is accepted", async () => {
    service.refuse = (token) => (token === "token-1" ? 4403 : null);
    log = watching(service);
    (await service.subscribed(1)).update(snapshot(0));
    await soon(() => log.watch.state === "live");
    expect(log.ends).toEqual([]);
  });

  test("the token is requested again if the function rejects", async () => {
    let requests = 0;
    const token = (): Promise<string> => (++requests < 4 ? Promise.reject(new Error("no network")) : Promise.resolve("at last"));
    log = watching(service, { token });
    expect((await service.subscribed(0)).token).toBe("at last");
    expect(log.reasons.map((reason) => (reason.cause as Error).message)).toEqual(Array(3).fill("no network"));
  });

  test("the token is requested again if the function never resolves", async () => {
    let requests = 0;
    const token = (): Promise<string> => (++requests === 1 ? new Promise<never>(() => undefined) : Promise.resolve("at last"));
    log = watching(service, { token, timing: { ...TIMING, connect: 200 } });
    expect((await service.subscribed(0)).token).toBe("at last");
  });
});

describe("the end of a watch", () => {
  test.each([4400, 4406, 4429])("comes with close code %i", async (code) => {
    log = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(1));
    first.close(code);
    await ended("closed", String(code));
  });

  test.each(["NOT_FOUND", "BAD_USER_INPUT", "FORBIDDEN", "GRAPHQL_VALIDATION_FAILED"])("comes with the error %s", async (code) => {
    service.onSubscribe = (connection) => {
      const payload = [{ message: "No.", extensions: { code } }];
      connection.send({ id: connection.subscription?.id, type: "error", payload });
    };
    log = watching(service);
    await ended("refused", code);
  });

  test("comes with a second UNAUTHENTICATED, after one new token", async () => {
    service.onSubscribe = (connection) => {
      const errors = [{ message: "No.", extensions: { code: "UNAUTHENTICATED" } }];
      connection.send({ id: connection.subscription?.id, type: "next", payload: { data: null, errors } });
    };
    log = watching(service);
    await ended("unauthenticated", "UNAUTHENTICATED");
    expect(log.tokenRequests).toBe(2);
  });

  test.each(["UNAVAILABLE", "RATE_LIMITED", "INTERNAL"])("does not come with the error %s, after which it reconnects", async (code) => {
    log = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(4));
    first.send({ id: first.subscription?.id, type: "error", payload: [{ message: "Later.", extensions: { code } }] });
    expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(4));
    expect(log.reasons[0]?.code).toBe(code);
  });

  test.each([
    ["null", null],
    ["a sequence as a number", { ...entry(2), entry: { sequence: 2 } }],
    ["an entry without an entry", { ...entry(2), entry: null }],
    ["a wallet without a sequence", { ...snapshot(1), wallet: {} }],
  ])("comes with a malformed update (%s)", async (_, update) => {
    log = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(1));
    first.send({ id: first.subscription?.id, type: "next", payload: { data: { walletUpdated: update } } });
    await ended("malformed");
  });

  test("comes with a callback that throws, and the position stays before that update", async () => {
    const failure = new Error("the page is broken");
    log = watching(service, {
      onUpdate: (update) => {
        if (update.kind === "ENTRY" && update.entry.sequence === "3") {
          throw failure;
        }
      },
    });
    (await service.subscribed(0)).update(snapshot(1), entry(2), entry(3), entry(4));
    await ended("callback");
    expect(log.ends[0]?.cause).toBe(failure);
    expect(log.watch.position).toEqual(positionAt(2));
  });

  test("invalid options throw at once", () => {
    log = watching(service);
    const options = { url: service.url, walletId: "w", token: () => Promise.resolve(""), onUpdate: vi.fn(), onEnd: vi.fn() };
    expect(() => watchWallet({ ...options, url: "https://example.com/graphql" })).toThrow(TypeError);
    expect(() => watchWallet({ ...options, url: "nonsense" })).toThrow(TypeError);
    expect(() => watchWallet({ ...options, after: { cursor: "c", sequence: "1.5" } })).toThrow(TypeError);
  });
});

describe("pauses", () => {
  afterEach(() => vi.restoreAllMocks());

  test("double up to their limit, less a random part of up to half", () => {
    const five = (random: number): number[] => {
      vi.spyOn(Math, "random").mockReturnValue(random);
      const backoff = new Backoff(100, 500);
      return [backoff.next(), backoff.next(), backoff.next(), backoff.next(), backoff.next()];
    };
    expect(five(1)).toEqual([100, 200, 400, 500, 500]);
    expect(five(0)).toEqual([50, 100, 200, 250, 250]);
    const backoff = new Backoff(100, 500);
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(50);
  });

  test("limit the connections to a service that is down, and the watch resumes once it is up", async () => {
    service.refuse = () => 1013;
    log = watching(service, { timing: { ...TIMING, firstRetry: 20, longestRetry: 100 } });
    await pause(1000);
    const tries = service.connections.length;
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(25);
    service.refuse = () => null;
    // Any connection counts, not only the next one: one that was already opening may be accepted.
    await soon(() => service.connections.some((connection) => connection.subscription !== null));
  });

  test.each([
    ["a short connection does not reset the pauses", 60_000, [8, 16, 32, 64]],
    ["a long connection resets the pauses", 0, [8, 8, 8, 8]],
  ])("%s", async (_, steady, wanted) => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const timeouts = vi.spyOn(globalThis, "setTimeout");
    service.onSubscribe = (connection) => {
      connection.update(snapshot(1));
      connection.close(1012);
    };
    log = watching(service, { timing: { ...TIMING, firstRetry: 8, longestRetry: 64, steady } });
    await soon(() => service.connections.length === 5);
    log.watch.stop();
    const requested = timeouts.mock.calls.map((call) => call[1] ?? 0);
    const pauses = requested.filter((milliseconds) => [8, 16, 32, 64].includes(milliseconds));
    expect(pauses.slice(0, 4)).toEqual(wanted);
  });
});

describe("a failed connection", () => {
  let silent: Server;
  const accepted: Socket[] = [];

  beforeEach(async () => {
    silent = createServer((socket) => accepted.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  });

  afterEach(() => {
    accepted.splice(0).forEach((socket) => socket.destroy());
    silent.close();
  });

  test("a server that accepts the connection but does not answer is tried again", async () => {
    const url = `ws://127.0.0.1:${String((silent.address() as AddressInfo).port)}/graphql`;
    log = watching({ url }, { timing: { ...TIMING, connect: 50 } });
    await soon(() => accepted.length >= 3);
    expect(log.reasons[0]?.message).toBe("Connecting took too long.");
    expect(log.ends).toEqual([]);
  });

  test("a refused connection is tried again", async () => {
    const { port } = silent.address() as AddressInfo;
    silent.close();
    log = watching({ url: `ws://127.0.0.1:${String(port)}/graphql` });
    await soon(() => log.tokenRequests >= 4);
  });

  test.each(["not JSON", '{"type": "nonsense"}', '{"type": "next"}'])("an invalid message (%s) causes a new connection", async (message) => {
    log = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(1));
    first.socket.send(message);
    expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(1));
    expect(log.reasons[0]?.message).toBe("The connection failed.");
    await soon(() => first.isClosed);
  });

  test("a connection that does not answer pings is closed and opened again", async () => {
    service.answersPings = false;
    log = watching(service, { timing: { ...TIMING, ping: 30, pong: 30 } });
    (await service.subscribed(0)).update(snapshot(1));
    expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(1));
    expect(log.reasons[0]?.message).toBe("The connection fell silent.");
  });

  test("a connection without updates that answers pings is kept", async () => {
    log = watching(service, { timing: { ...TIMING, connect: 1000, ping: 700, pong: 500 } });
    (await service.subscribed(0)).update(snapshot(1));
    await pause(1600);
    expect(service.connections.length).toBe(1);
    expect(log.states).toEqual(["connecting", "live"]);
  });
});
