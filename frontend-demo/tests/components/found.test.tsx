// @vitest-environment jsdom
import { act, cleanup, render, screen } from "@testing-library/react";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { NO_LIMITS } from "../../src/activity/filter.js";
import { FoundList } from "../../src/activity/FoundList.js";
import { connection } from "../../src/live/page.js";
import { AccountProvider } from "../../src/session/AccountContext.js";
import { Answers, pageOf, type Reply } from "./answers.js";

beforeEach(() => {
  // jsdom lays nothing out, so nothing comes near the screen.
  vi.stubGlobal("IntersectionObserver", class {
    readonly observe = vi.fn();
    readonly disconnect = vi.fn();
  });
  return () => {
    cleanup();
    connection.succeeded();
    vi.unstubAllGlobals();
  };
});

const entry = (number: number) => ({
  __typename: "ActivityItem",
  id: `ent_${number}`,
  at: "2026-11-23T12:00:00Z",
  direction: "DEBIT",
  purpose: "PRINCIPAL",
  amount: { __typename: "Money", amount: `${number}.00`, currency: "USD" },
  wallet: { __typename: "Wallet", id: "wal_a", name: "Everyday", owner: { __typename: "User", id: "usr_1", displayName: "Alice" } },
  counterparty: { __typename: "WalletParty", walletId: "wal_b", displayName: "Bob" },
  transaction: { __typename: "Transaction", id: "txn_1", type: "TRANSFER", description: null },
});

function found(numbers: readonly number[], lagSeconds = 0): Reply {
  const activity = { ...pageOf(numbers.map(entry)), readPosition: { __typename: "ReadPosition", position: "9", at: "2026-11-23T12:00:00Z", lagSeconds } };
  return { data: { viewer: { __typename: "User", id: "usr_1", activity } } };
}

const BEHIND = { data: null, errors: [{ message: "Not yet.", extensions: { code: "UNAVAILABLE" } }] } as Reply;

function show(answers: Answers, news: string | null = null) {
  const account = answers.account();
  const list = (cursor: string | null) => (
    <AccountProvider account={account}>
      <FoundList walletId={null} filter={{ ...NO_LIMITS, q: "bob >1" }} news={cursor} onShowAll={() => undefined} />
    </AccountProvider>
  );
  const { rerender } = render(list(news));
  return (cursor: string) => rerender(list(cursor));
}

describe("a search", () => {
  test("asks for words and amounts, and has a row for each entry, also of one transaction", async () => {
    const answers = new Answers(found([3, 2]));
    show(answers);
    expect(await screen.findAllByRole("listitem")).toHaveLength(2);
    expect(screen.getByText("2 entries.")).toBeTruthy();
    expect(answers.variables[0]).toMatchObject({ query: "bob", filter: { amountFrom: "1" }, notBefore: null });
  });

  test("that has not seen the newest payment in time shows what it has seen, says so, and is no outage", async () => {
    const answers = new Answers(BEHIND, found([2], 40));
    show(answers, "cursor-1");
    expect(await screen.findByText(/This has all payments until/)).toBeTruthy();
    expect(screen.getAllByRole("listitem")).toHaveLength(1);
    expect(answers.variables.map(({ notBefore }) => notBefore)).toEqual(["cursor-1", null]);
    expect(connection.isDoubted).toBe(false);
  });

  test("puts a payment that arrives above the rows", async () => {
    const answers = new Answers(found([2]));
    const arrive = show(answers);
    await screen.findByText("1 entry.");
    answers.add(found([3, 2]));
    arrive("cursor-2");
    expect(await screen.findByText("2 entries.")).toBeTruthy();
    expect(answers.variables[1]).toMatchObject({ notBefore: "cursor-2", after: null });
  });

  test("that gets no answer is asked again once the service is back", async () => {
    const answers = new Answers(new TypeError("Failed to fetch"));
    show(answers);
    expect(await screen.findByText("The service does not answer.")).toBeTruthy();
    answers.add(found([2]), found([2]));
    act(() => connection.succeeded());
    expect(await screen.findByText("1 entry.")).toBeTruthy();
    expect(screen.queryByText("The service does not answer.")).toBeNull();
  });
});
