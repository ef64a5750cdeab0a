import { describe, expect, it } from "vitest";
import { endOf, endsOf, entryCount, firstFrom, formatBytes, monthLabel, startOfMonth } from "../../src/statements/period.js";
import { agoText, justAfter, keyTarget, localText, stepOf } from "../../src/wallets/time/moments.js";

const local = (...parts: [number, number, number, number?, number?]): string => new Date(...parts).toISOString();
const now = new Date(2026, 10, 28, 19, 20).getTime();

describe("the period of the next statement", () => {
  it("begins, for the first one, with the month in which the wallet was opened", () => {
    expect(firstFrom(local(2026, 8, 17, 12, 30))).toBe(local(2026, 8, 1));
  });

  it("can end with the last month only if it begins before this one", () => {
    expect(startOfMonth(now)).toBe(new Date(2026, 10, 1).getTime());
    expect(endsOf(local(2026, 9, 1), now)).toEqual(["month", "now", "day"]);
    expect(endsOf(local(2026, 10, 1), now)).toEqual(["now", "day"]);
  });

  it("is the last month only if it is all of it", () => {
    expect(monthLabel(local(2026, 9, 1), now)).toBe("Last month");
    expect(monthLabel(local(2026, 9, 2), now)).toBe("Until the end of last month");
    expect(monthLabel(local(2026, 8, 1), now)).toBe("Until the end of last month");
  });

  it("ends at a midnight, or some seconds ago, and never in the future", () => {
    expect(endOf("month", "", now)).toBe(local(2026, 10, 1));
    expect(endOf("now", "", now)).toBe(new Date(now - 15_000).toISOString());
    expect(endOf("day", "2026-11-20", now)).toBe(local(2026, 10, 21));
    expect(endOf("day", "2026-11-28", now)).toBe(new Date(now - 15_000).toISOString());
    expect(endOf("day", "", now)).toBeNull();
    expect(endOf("day", "soon", now)).toBeNull();
  });

  it.each([
    ["0", "0 byte"],
    ["999", "999 byte"],
    ["12345", "12.3 kB"],
    ["4000000", "4 MB"],
  ])("%s bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes, "en-US")).toBe(text);
  });

  it("has entries from its first to its last sequence", () => {
    expect(entryCount({ firstSequence: "5", lastSequence: "9" })).toBe(5n);
    expect(entryCount({ firstSequence: "5", lastSequence: "4" })).toBe(0n);
  });
});

describe("the slider of time", () => {
  const [start, end] = [0, 90 * 86_400_000];

  it("moves by round steps that fit its length", () => {
    expect(stepOf(60_000)).toBe(1_000);
    expect(stepOf(86_400_000)).toBe(600_000);
    expect(stepOf(end)).toBe(86_400_000);
    expect(stepOf(4_000 * 86_400_000)).toBe(86_400_000);
  });

  it.each([
    ["ArrowLeft", end, end - 86_400_000],
    ["ArrowRight", end, end],
    ["PageDown", end, end - 10 * 86_400_000],
    ["PageUp", 0, 10 * 86_400_000],
    ["ArrowDown", 5, start],
    ["Home", end, start],
    ["End", start, end],
    ["a", 5, undefined],
  ] as const)("%s goes from %s to %s", (key, at, to) => {
    expect(keyTarget(key, at, start, end)).toBe(to);
  });

  it("names the moment, and asks for entries just after it", () => {
    expect(agoText(now - 3 * 86_400_000, now, "en-US")).toBe("3 days ago");
    expect(agoText(now - 61_000, now, "en-US")).toBe("1 minute ago");
    expect(agoText(now + 5, now, "en-US")).toBe("0 seconds ago");
    expect(localText(new Date(2026, 0, 2, 3, 4, 5).getTime())).toBe("2026-01-02T03:04:05");
    expect(justAfter(Date.parse("2026-11-23T12:00:00.123Z"))).toBe("2026-11-23T12:00:00.123001Z");
  });
});
