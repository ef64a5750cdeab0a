import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Chunk } from "../../src/app/chunk.js";
import { Connection, worst, type LiveState, type Member } from "../../src/live/connection.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A service that is up or down, and one hub that counts how often it is resumed. */
class World {
  isThere = true;
  probes = 0;
  readonly hub: Member & { state: LiveState | null; resumed: number } = {
    state: "live",
    resumed: 0,
    resume: () => {
      this.hub.resumed += 1;
    },
  };
  readonly connection = new Connection({
    probe: () => {
      this.probes += 1;
      return Promise.resolve(this.isThere);
    },
  });

  constructor() {
    this.connection.add(this.hub);
    this.connection.changed();
  }

  /** Set the hub's state. */
  hubIs(state: LiveState | null): void {
    this.hub.state = state;
    this.connection.changed();
  }

  /** The service goes down, and the hub reports the failure. */
  die(): void {
    this.isThere = false;
    this.hub.state = "offline";
    this.connection.failed();
  }
}

describe("the connection of a page", () => {
  test("has the worst state of its parts", () => {
    expect(worst(["live", null, "catching-up"])).toBe("catching-up");
    expect(worst(["live", "offline", "catching-up"])).toBe("offline");
    expect(worst(["live", null])).toBe("live");
    expect(worst([null])).toBeNull();
  });

  test("is lost from the first failure until everything is live again", async () => {
    const world = new World();
    await vi.advanceTimersByTimeAsync(20_000);
    world.die();
    const { lostAt } = world.connection.view;
    expect(lostAt).not.toBeNull();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(world.connection.view).toMatchObject({ state: "offline", lostAt });
    world.isThere = true;
    await vi.advanceTimersByTimeAsync(1_000);
    world.hubIs("catching-up");
    expect(world.connection.view).toMatchObject({ state: "catching-up", lostAt, nextTryAt: null });
    world.hubIs("live");
    expect(world.connection.view).toEqual({ state: "live", lostAt: null, nextTryAt: null });
  });

  test("probes the service at once and then every second, and resumes within a second of its return", async () => {
    const world = new World();
    await vi.advanceTimersByTimeAsync(20_000);
    world.die();
    expect(world.probes).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(world.probes).toBeGreaterThanOrEqual(10);
    expect(world.probes).toBeLessThanOrEqual(15);
    world.isThere = true;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.hub.resumed).toBe(1);
  });

  test("probes less often after a minute, but at least every ten seconds", async () => {
    const world = new World();
    await vi.advanceTimersByTimeAsync(20_000);
    world.die();
    await vi.advanceTimersByTimeAsync(120_000);
    const before = world.probes;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.probes - before).toBeGreaterThanOrEqual(6);
    expect(world.probes - before).toBeLessThanOrEqual(8);
  });

  test("resumes after the first successful request, and after a request to try now", async () => {
    const world = new World();
    const returned = vi.fn();
    world.connection.onReturn(returned);
    await vi.advanceTimersByTimeAsync(20_000);
    world.die();
    await vi.advanceTimersByTimeAsync(300);
    world.connection.succeeded();
    expect([world.hub.resumed, returned.mock.calls.length]).toEqual([1, 1]);
    world.connection.succeeded();
    expect(returned).toHaveBeenCalledTimes(1);
    world.die();
    world.isThere = true;
    world.connection.tryNow();
    await vi.advanceTimersByTimeAsync(0);
    expect(returned).toHaveBeenCalledTimes(2);
  });

  test("stays live after one failed request if the service answers its probe", async () => {
    const world = new World();
    const states: (LiveState | null)[] = [];
    world.connection.subscribe(() => states.push(world.connection.view.state));
    await vi.advanceTimersByTimeAsync(20_000);
    world.connection.failed();
    await vi.advanceTimersByTimeAsync(0);
    expect(new Set(states)).toEqual(new Set(["live"]));
    expect(world.connection.view.lostAt).toBeNull();
  });

  test("pauses between probes of a service that answers but closes every socket", async () => {
    const world = new World();
    await vi.advanceTimersByTimeAsync(20_000);
    world.hub.resume = () => queueMicrotask(world.connection.failed);
    world.hub.state = "offline";
    world.connection.failed();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(world.probes).toBeLessThanOrEqual(15);
    expect(world.connection.view.lostAt).not.toBeNull();
  });
});

describe("the code of a page", () => {
  function chunkOf(outcomes: readonly (string | Error)[]) {
    const left = [...outcomes];
    const calls = { failed: 0, lost: 0 };
    const chunk = new Chunk(
      () => {
        const next = left.shift();
        return typeof next === "string" ? Promise.resolve(next) : Promise.reject(next ?? new Error("No more."));
      },
      {
        onFailed: () => {
          calls.failed += 1;
        },
        untilReturn: () => Promise.resolve(),
        onLost: () => {
          calls.lost += 1;
        },
      },
    );
    return { chunk, calls };
  }

  test("is loaded again once the service has returned after a failure", async () => {
    const { chunk, calls } = chunkOf([new Error("No network."), "code"]);
    const listener = vi.fn();
    chunk.subscribe(listener);
    await chunk.start();
    expect([chunk.code, calls, listener.mock.calls.length]).toEqual(["code", { failed: 1, lost: 0 }, 1]);
    await chunk.start();
    expect(chunk.code).toBe("code");
  });

  test("is given up if loading fails while the service answers, and loaded again at the next start", async () => {
    const gone = new Error("404");
    const { chunk, calls } = chunkOf([gone, gone, gone, "code"]);
    await chunk.start();
    expect([chunk.code, calls.lost]).toEqual([null, 1]);
    await chunk.start();
    expect(chunk.code).toBe("code");
  });
});
