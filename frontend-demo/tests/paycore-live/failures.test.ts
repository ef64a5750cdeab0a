import { createServer, type Server, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { watchWallet } from "../../src/paycore-live/index.js";
import { Backoff } from "../../src/paycore-live/backoff.js";
import { Service, pause, soon } from "./service.js";
import { TIMING, cursorAt, entry, positionAt, snapshot, watching, type Diary } from "./world.js";

let service: Service;
let diary: Diary;

beforeEach(async () => {
  service = await Service.start();
});

afterEach(async () => {
  diary.watch.stop();
  await service.stop();
});

/** The watch ends with this, tells it once, and connects no more. */
async function ended(kind: string, code?: string): Promise<void> {
  await soon(() => diary.ends.length > 0);
  const connections = service.connections.length;
  await pause(100);
  expect(diary.ends.map((end) => [end.kind, end.code])).toEqual([[kind, code]]);
  expect(diary.states.at(-1)).toBe("offline");
  expect(service.connections.length).toBe(connections);
  await soon(() => service.open === 0);
}

describe("tokens", () => {
  test("each connection has a token of its own", async () => {
    diary = watching(service);
    (await service.subscribed(0)).close();
    (await service.subscribed(1)).close();
    await service.subscribed(2);
    expect(service.connections.map((connection) => connection.token)).toEqual(["token-1", "token-2", "token-3"]);
  });

  test.each([4401, 4403])("one that ends while it watches (%i) is replaced, however often", async (code) => {
    diary = watching(service);
    (await service.subscribed(0)).update(snapshot(1));
    for (let round = 0; round < 4; round++) {
      await soon(() => diary.told.length === round + 1);
      (await service.subscribed(round)).close(code);
      const next = await service.subscribed(round + 1);
      expect(next.subscription?.after).toBe(cursorAt(1));
      next.update(snapshot(1));
    }
    expect(diary.ends).toEqual([]);
  });

  test.each([4401, 4403])("one that is refused (%i) is replaced once, then it is told", async (code) => {
    service.refuse = () => code;
    diary = watching(service);
    await ended("unauthenticated", String(code));
    expect(diary.tokensAsked).toBe(2);
  });

  test("the second may be better", async () => {
    service.refuse = (token) => (token === "token-1" ? 4403 : null);
    diary = watching(service);
    (await service.subscribed(1)).update(snapshot(0));
    await soon(() => diary.watch.state === "live");
    expect(diary.ends).toEqual([]);
  });

  test("one that cannot be had is asked for again later", async () => {
    let asked = 0;
    const token = (): Promise<string> => (++asked < 4 ? Promise.reject(new Error("no network")) : Promise.resolve("at last"));
    diary = watching(service, { token });
    expect((await service.subscribed(0)).token).toBe("at last");
    expect(diary.reasons.map((reason) => (reason.cause as Error).message)).toEqual(Array(3).fill("no network"));
  });

  test("one that never comes is asked for again later", async () => {
    let asked = 0;
    const token = (): Promise<string> => (++asked === 1 ? new Promise<never>(() => undefined) : Promise.resolve("at last"));
    diary = watching(service, { token, timing: { ...TIMING, connect: 200 } });
    expect((await service.subscribed(0)).token).toBe("at last");
  });
});

describe("ends", () => {
  test.each([4400, 4406, 4429])("close code %i ends the watch", async (code) => {
    diary = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(1));
    first.close(code);
    await ended("closed", String(code));
  });

  test.each(["NOT_FOUND", "BAD_USER_INPUT", "FORBIDDEN", "GRAPHQL_VALIDATION_FAILED"])("the error %s ends it", async (code) => {
    service.onSubscribe = (connection) => {
      const payload = [{ message: "No.", extensions: { code } }];
      connection.send({ id: connection.subscription?.id, type: "error", payload });
    };
    diary = watching(service);
    await ended("refused", code);
  });

  test("an UNAUTHENTICATED subscription asks for one other token", async () => {
    service.onSubscribe = (connection) => {
      const errors = [{ message: "No.", extensions: { code: "UNAUTHENTICATED" } }];
      connection.send({ id: connection.subscription?.id, type: "next", payload: { data: null, errors } });
    };
    diary = watching(service);
    await ended("unauthenticated", "UNAUTHENTICATED");
    expect(diary.tokensAsked).toBe(2);
  });

  test.each(["UNAVAILABLE", "RATE_LIMITED", "INTERNAL"])("the error %s does not", async (code) => {
    diary = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(4));
    first.send({ id: first.subscription?.id, type: "error", payload: [{ message: "Later.", extensions: { code } }] });
    expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(4));
    expect(diary.reasons[0]?.code).toBe(code);
  });

  test.each([
    ["nothing", null],
    ["a sequence as a number", { ...entry(2), entry: { sequence: 2 } }],
    ["an entry without an entry", { ...entry(2), entry: null }],
    ["a wallet without a sequence", { ...snapshot(1), wallet: {} }],
  ])("an update that is none (%s) ends it", async (_, update) => {
    diary = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(1));
    first.send({ id: first.subscription?.id, type: "next", payload: { data: { walletUpdated: update } } });
    await ended("malformed");
  });

  test("a callback that throws ends it, and its update counts as not seen", async () => {
    const failure = new Error("the page is broken");
    diary = watching(service, {
      onUpdate: (update) => {
        if (update.kind === "ENTRY" && update.entry.sequence === "3") {
          throw failure;
        }
      },
    });
    (await service.subscribed(0)).update(snapshot(1), entry(2), entry(3), entry(4));
    await ended("callback");
    expect(diary.ends[0]?.cause).toBe(failure);
    expect(diary.watch.position).toEqual(positionAt(2));
  });

  test("options that cannot work are refused at once", () => {
    diary = watching(service);
    const options = { url: service.url, walletId: "w", token: () => Promise.resolve(""), onUpdate: vi.fn(), onEnd: vi.fn() };
    expect(() => watchWallet({ ...options, url: "https://example.com/graphql" })).toThrow(TypeError);
    expect(() => watchWallet({ ...options, url: "nonsense" })).toThrow(TypeError);
    expect(() => watchWallet({ ...options, after: { cursor: "c", sequence: "1.5" } })).toThrow(TypeError);
  });
});

describe("pauses", () => {
  afterEach(() => vi.restoreAllMocks());

  test("double up to their bound and are cut by up to half", () => {
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

  test("are kept to: a service that is down is not stormed, and is found when it is back", async () => {
    service.refuse = () => 1013;
    diary = watching(service, { timing: { ...TIMING, firstRetry: 20, longestRetry: 100 } });
    await pause(1000);
    const tries = service.connections.length;
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(25);
    service.refuse = () => null;
    // Not simply the next connection: one may be on its way that is no longer refused.
    await soon(() => service.connections.some((connection) => connection.subscription !== null));
  });

  test.each([
    ["a short one does not start them anew", 60_000, [8, 16, 32, 64]],
    ["a long one does", 0, [8, 8, 8, 8]],
  ])("connections that do not last: %s", async (_, steady, wanted) => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const timeouts = vi.spyOn(globalThis, "setTimeout");
    service.onSubscribe = (connection) => {
      connection.update(snapshot(1));
      connection.close(1012);
    };
    diary = watching(service, { timing: { ...TIMING, firstRetry: 8, longestRetry: 64, steady } });
    await soon(() => service.connections.length === 5);
    diary.watch.stop();
    const asked = timeouts.mock.calls.map((call) => call[1] ?? 0);
    const pauses = asked.filter((milliseconds) => [8, 16, 32, 64].includes(milliseconds));
    expect(pauses.slice(0, 4)).toEqual(wanted);
  });
});

describe("connections that are none", () => {
  let hole: Server;
  const swallowed: Socket[] = [];

  beforeEach(async () => {
    hole = createServer((socket) => swallowed.push(socket));
    await new Promise<void>((resolve) => hole.listen(0, "127.0.0.1", resolve));
  });

  afterEach(() => {
    swallowed.splice(0).forEach((socket) => socket.destroy());
    hole.close();
  });

  test("a server that takes the connection and says nothing is given up and tried again", async () => {
    const url = `ws://127.0.0.1:${String((hole.address() as AddressInfo).port)}/graphql`;
    diary = watching({ url }, { timing: { ...TIMING, connect: 50 } });
    await soon(() => swallowed.length >= 3);
    expect(diary.reasons[0]?.message).toBe("Connecting took too long.");
    expect(diary.ends).toEqual([]);
  });

  test("a port where nobody listens is tried again", async () => {
    const { port } = hole.address() as AddressInfo;
    hole.close();
    diary = watching({ url: `ws://127.0.0.1:${String(port)}/graphql` });
    await soon(() => diary.tokensAsked >= 4);
  });

  test.each(["no JSON", '{"type": "nonsense"}', '{"type": "next"}'])("a message that is none (%s) is no end", async (message) => {
    diary = watching(service);
    const first = await service.subscribed(0);
    first.update(snapshot(1));
    first.socket.send(message);
    expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(1));
    expect(diary.reasons[0]?.message).toBe("The connection failed.");
    await soon(() => first.isClosed);
  });

  test("a connection that has fallen silent is given up and made again", async () => {
    service.answersPings = false;
    diary = watching(service, { timing: { ...TIMING, ping: 30, pong: 30 } });
    (await service.subscribed(0)).update(snapshot(1));
    expect((await service.subscribed(1)).subscription?.after).toBe(cursorAt(1));
    expect(diary.reasons[0]?.message).toBe("The connection fell silent.");
  });

  test("a quiet connection that answers is kept", async () => {
    diary = watching(service, { timing: { ...TIMING, connect: 1000, ping: 700, pong: 500 } });
    (await service.subscribed(0)).update(snapshot(1));
    await pause(1600);
    expect(service.connections.length).toBe(1);
    expect(diary.states).toEqual(["connecting", "live"]);
  });
});
