// @vitest-environment jsdom
import { readFileSync } from "node:fs";
import { cleanup, render, screen } from "@testing-library/react";
import { buildSchema, parse, validate } from "graphql";
import { afterEach, describe, expect, test, vi } from "vitest";
import { localTime, testText } from "../../src/webhooks/Actions.js";
import { problemsOf } from "../../src/webhooks/CreateForm.js";
import { DeliveryList } from "../../src/webhooks/Deliveries.js";
import { EXAMPLES } from "../../src/webhooks/examples.js";
import { pretty, ReceiverCard } from "../../src/webhooks/ReceiverCard.js";
import type { Attempt, Delivery } from "../../src/webhooks/queries.js";
import { sourceOf, stateOf } from "../../src/webhooks/state.js";

afterEach(cleanup);

const attempt = (change: Partial<Attempt> = {}): Attempt => ({ at: "2026-11-28T10:00:01Z", durationMs: 12, status: 200, error: null, responseBody: "ok", ...change });

function delivery(change: Partial<Delivery> = {}): Delivery {
  return {
    id: "whd_1",
    messageId: "msg_1",
    event: "wal_1 7",
    wallet: "wal_1",
    sequence: "7",
    createdAt: "2026-11-28T10:00:00Z",
    deliveredAt: "2026-11-28T10:00:01Z",
    nextAttemptAt: null,
    payload: '{"data":{}}',
    attempts: [attempt()],
    ...change,
  };
}

describe("a delivery", () => {
  const failed = attempt({ status: 500 });
  test.each([
    ["delivered", {}],
    ["waiting", { deliveredAt: null, nextAttemptAt: "2026-11-28T10:00:05Z", attempts: [] }],
    ["retrying", { deliveredAt: null, nextAttemptAt: "2026-11-28T10:00:05Z", attempts: [failed] }],
    ["parked", { deliveredAt: null, nextAttemptAt: null, attempts: [failed, failed] }],
  ] as const)("is %s", (state, change) => {
    expect(stateOf(delivery({ ...change, attempts: [...("attempts" in change ? change.attempts : [failed])] }))).toBe(state);
  });

  test("shows each attempt, its answer and what was sent", () => {
    const onReplay = vi.fn();
    const attempts = [attempt({ at: "2026-11-28T10:00:00Z", status: null, error: "no answer within 10 seconds", responseBody: null }), attempt({ status: 503, responseBody: "busy" })];
    render(<DeliveryList label="Deliveries" deliveries={[delivery({ attempts })]} onReplay={onReplay} canReplay />);
    const text = screen.getByRole("list", { name: "Attempts of whd_1" }).textContent;
    expect(text).toContain("no answer within 10 seconds in 12 ms");
    expect(text).toContain("503 in 12 ms");
    expect(text).toContain("busy");
    expect(screen.getByText("Entry 7 of wal_1")).toBeTruthy();
    expect(screen.getByText(/attempt 2/)).toBeTruthy();
    screen.getByRole("button", { name: "Send it again" }).click();
    expect(onReplay).toHaveBeenCalledWith(expect.objectContaining({ id: "whd_1" }));
  });
});

test("each example is a subscription of the schema, and its variables are JSON", () => {
  const schema = buildSchema(readFileSync("../schema.graphql", "utf8"));
  for (const { document, variables } of EXAMPLES) {
    expect(validate(schema, parse(document))).toEqual([]);
    const text = variables("wal_1");
    expect(text === "" || typeof JSON.parse(text) === "object").toBe(true);
  }
  expect(EXAMPLES.map(({ document }) => sourceOf(document))).toEqual(["walletUpdated", "transactionSettled", "holdUpdated"]);
});

test("refusals stand at the field that the service names", () => {
  const refusal = (field: string, code = "INVALID_INPUT") => ({ code, message: `About ${field}.`, path: ["input", field] });
  expect(problemsOf([refusal("url"), refusal("document"), refusal("url")])).toEqual({ url: "About url. About url.", document: "About document." });
  expect(problemsOf([{ code: "QUOTA_EXCEEDED", message: "A user has at most 20 webhook endpoints.", path: ["input"] }])).toEqual({ form: "A user has at most 20 webhook endpoints." });
});

test.each([
  [{ status: 204, error: null }, "The test was accepted with 204."],
  [{ status: 500, error: null }, "The test was answered with 500, so it was not accepted."],
  [{ status: null, error: "cannot connect" }, "The test got no answer: cannot connect."],
  [{ status: null, error: null }, "The test has no answer yet. It is sent by the worker; see the deliveries."],
])("a test's outcome is said in words: %#", (outcome, text) => {
  expect(testText({ ...outcome, payload: null, userErrors: [] })).toBe(text);
});

test("a time is written for the browser's own field", () => {
  const text = localTime(Date.parse("2026-11-28T10:05:30Z"));
  expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:05$/);
  expect(new Date(text).getTime()).toBe(Date.parse("2026-11-28T10:05:00Z"));
});

test("the receiver says which messages did not verify", () => {
  const post = { at: "2026-11-28T10:00:00Z", message_id: "msg_1", answered: 401, body: '{"a":1}' };
  const state = { url: "http://127.0.0.1:8000/demo/receiver/alice", answer: 200, posts: [{ ...post, problem: "its signature is wrong" }, { ...post, message_id: "msg_2", answered: 200, problem: null }] };
  const setAnswer = vi.fn();
  render(<ReceiverCard receiver={{ state, problem: null, setAnswer }} />);
  expect(screen.getByText("Refused: its signature is wrong")).toBeTruthy();
  expect(screen.getByText("Signature verified")).toBeTruthy();
  expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(pretty('{"a":')).toBe('{"a":');
});
