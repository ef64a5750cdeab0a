// @vitest-environment jsdom
import { CombinedError, type Client } from "@urql/core";
import { act, cleanup, renderHook } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PublishInput, Published } from "../../src/control/fees/queries.js";
import { usePublication } from "../../src/control/fees/usePublication.js";
import type { Account } from "../../src/session/account.js";
import { AccountProvider } from "../../src/session/AccountContext.js";

const WANTED: Omit<PublishInput, "idempotencyKey"> = { name: "Card fee", currency: "CHF", payer: "SENDER", percent: "2.9", reason: "New prices", transactionType: "TRANSFER", rounding: "HALF_EVEN" };
const PUBLISHED: Published = { id: "fee_1", name: "Card fee", version: 1, validFrom: "2026-11-27T12:00:00Z" };
const LOST = { error: new CombinedError({ networkError: new Error("fetch failed") }) };
const DONE = { data: { publishFeeSchedule: { replayed: true, feeSchedule: PUBLISHED, userErrors: [] } } };
const refused = (code: string) => ({ error: new CombinedError({ graphQLErrors: [{ message: code, extensions: { code } }] }) });

let sent: PublishInput[];
let answers: object[];
const onPublished = vi.fn();

beforeEach(() => {
  sent = [];
  answers = [];
  onPublished.mockReset();
});

afterEach(() => {
  cleanup();
  sessionStorage.clear();
});

/** The form as on a new page: only the storage of the tab is left of an earlier one. */
function open() {
  const mutation = (_: unknown, { input }: { readonly input: PublishInput }) => {
    sent.push(input);
    return { toPromise: () => Promise.resolve(answers.shift() ?? DONE) };
  };
  const client = { mutation } as unknown as Client;
  const account = { subject: "admin", plain: client, pages: client } as unknown as Account;
  const wrapper = ({ children }: { readonly children: ReactNode }) => createElement(AccountProvider, { account, children });
  return renderHook(() => usePublication(onPublished), { wrapper }).result;
}

test("a publication without an answer is sent again with the same key and input, also over a reload", async () => {
  answers = [LOST, refused("UNAUTHENTICATED")];
  const page = open();
  act(() => page.current.confirm(WANTED));
  await act(() => page.current.publish());
  expect(page.current).toMatchObject({ isUnknown: true, input: WANTED });
  await act(() => page.current.publish());
  expect(page.current.isUnknown).toBe(true);
  cleanup();
  const reloaded = open();
  expect(reloaded.current).toMatchObject({ isUnknown: true, input: WANTED });
  await act(() => reloaded.current.publish());
  expect(onPublished).toHaveBeenCalledExactlyOnceWith(PUBLISHED);
  expect(reloaded.current).toMatchObject({ isUnknown: false, input: null });
  expect(sent).toHaveLength(3);
  expect(new Set(sent.map((input) => JSON.stringify(input))).size).toBe(1);
  expect(sessionStorage).toHaveLength(0);
});

test("a publication that was refused before anything ran is not unknown, and can be changed", async () => {
  answers = [refused("UNAUTHENTICATED")];
  const page = open();
  act(() => page.current.confirm(WANTED));
  await act(() => page.current.publish());
  expect(page.current).toMatchObject({ isUnknown: false, problem: "UNAUTHENTICATED" });
  expect(sessionStorage).toHaveLength(0);
});

test("a refused publication returns to the form with the reason, and the next one has another key", async () => {
  answers = [{ data: { publishFeeSchedule: { replayed: false, feeSchedule: null, userErrors: [{ code: "INVALID_INPUT", message: "Name a later time.", path: ["input", "validFrom"] }] } } }];
  const page = open();
  act(() => page.current.confirm(WANTED));
  await act(() => page.current.publish());
  expect(page.current).toMatchObject({ input: null, problem: "Name a later time." });
  act(() => page.current.confirm(WANTED));
  await act(() => page.current.publish());
  expect(onPublished).toHaveBeenCalledOnce();
  expect(new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2);
});
