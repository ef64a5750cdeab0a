import { Client, fetchExchange, gql } from "@urql/core";
import { describe, expect, test } from "vitest";
import { isTransient, keepLastGood, reportTo } from "../../src/graphql/lastGood.js";

const WALLET = gql`
  query Wallet($id: ID!) {
    wallet(id: $id) {
      id
    }
  }
`;

/** A client whose requests are answered by these, one after the other; an Error is a request that fails. */
function clientOf(...answers: readonly (object | Error)[]) {
  const left = [...answers];
  const reports: string[] = [];
  const client = new Client({
    url: "http://127.0.0.1/graphql",
    preferGetMethod: false,
    fetch: () => {
      const next = left.shift();
      return next === undefined || next instanceof Error
        ? Promise.reject(next ?? new Error("No more."))
        : Promise.resolve(new Response(JSON.stringify(next), { headers: { "Content-Type": "application/json" } }));
    },
    exchanges: [keepLastGood(), reportTo({ failed: () => reports.push("failed"), succeeded: () => reports.push("succeeded") }), fetchExchange],
  });
  return { ask: (id = "wal_1") => client.query<{ wallet: unknown }>(WALLET, { id }).toPromise(), reports };
}

const good = { data: { wallet: { id: "wal_1" } } };
const errorOf = (code: string) => ({ data: { wallet: null }, errors: [{ message: code, extensions: { code } }] });

describe("a query that fails for the moment", () => {
  test.each([new TypeError("Failed to fetch"), errorOf("UNAVAILABLE"), errorOf("TIMEOUT")])("keeps its last good data: %o", async (failure) => {
    const { ask, reports } = clientOf(good, failure);
    await ask();
    const { data, error } = await ask();
    expect(data?.wallet).toMatchObject({ id: "wal_1" });
    expect(error !== undefined && isTransient(error)).toBe(true);
    expect(reports).toEqual(["succeeded", "failed"]);
  });

  test("has no data, rather than a null that says there is no such thing, where none was good before", async () => {
    const { ask } = clientOf(good, errorOf("UNAVAILABLE"));
    await ask("wal_2");
    expect((await ask("wal_1")).data).toBeUndefined();
  });

  test("is not one that the service refused: what is gone is gone", async () => {
    const { ask, reports } = clientOf(good, errorOf("NOT_FOUND"));
    await ask();
    expect((await ask()).data?.wallet).toBeNull();
    expect(reports).toEqual(["succeeded", "succeeded"]);
  });
});
