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

/** A client whose requests get these answers in turn. An Error makes the request fail. */
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
  return { query: (id = "wal_1") => client.query<{ wallet: unknown }>(WALLET, { id }).toPromise(), reports };
}

const good = { data: { wallet: { id: "wal_1" } } };
const errorOf = (code: string) => ({ data: { wallet: null }, errors: [{ message: code, extensions: { code } }] });

describe("a query with a transient failure", () => {
  test.each([new TypeError("Failed to fetch"), errorOf("UNAVAILABLE"), errorOf("TIMEOUT")])("keeps its last good data: %o", async (failure) => {
    const { query, reports } = clientOf(good, failure);
    await query();
    const { data, error } = await query();
    expect(data?.wallet).toMatchObject({ id: "wal_1" });
    expect(error !== undefined && isTransient(error)).toBe(true);
    expect(reports).toEqual(["succeeded", "failed"]);
  });

  test("has undefined data, not null, if it never succeeded: null would mean that there is no such wallet", async () => {
    const { query } = clientOf(good, errorOf("UNAVAILABLE"));
    await query("wal_2");
    expect((await query("wal_1")).data).toBeUndefined();
  });

  test("does not include a refusal: the refusal's data replace the last good data", async () => {
    const { query, reports } = clientOf(good, errorOf("NOT_FOUND"));
    await query();
    expect((await query()).data?.wallet).toBeNull();
    expect(reports).toEqual(["succeeded", "succeeded"]);
  });
});
