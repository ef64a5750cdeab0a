// @vitest-environment jsdom
import { act, cleanup, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import type { ReactNode } from "react";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ActivityList } from "../../src/activity/ActivityList.js";
import { NO_LIMITS } from "../../src/activity/filter.js";
import { FeesCard } from "../../src/control/fees/FeesCard.js";
import { Transactions } from "../../src/find/Transactions.js";
import { Users } from "../../src/find/Users.js";
import { Wallets } from "../../src/find/Wallets.js";
import { connection } from "../../src/live/page.js";
import { FeeLine } from "../../src/send/FeeLine.js";
import { AccountProvider } from "../../src/session/AccountContext.js";
import { Answers, pageOf, type Reply } from "./answers.js";

const FAILED = new TypeError("Failed to fetch");
const USD = (amount: string) => ({ __typename: "Money", amount, currency: "USD" });

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

function show(answers: Answers, children: ReactNode) {
  return render(<AccountProvider account={answers.account()}>{children}</AccountProvider>);
}

function later(): { readonly reply: Promise<Reply>; readonly give: (reply: Reply) => void } {
  let give: (reply: Reply) => void = () => undefined;
  const reply = new Promise<Reply>((resolve) => {
    give = resolve;
  });
  return { reply, give };
}

/** What `connection` does as soon as the service answers a probe. */
function comesBack(): void {
  act(() => connection.succeeded());
}

const transaction = (number: number) => ({
  __typename: "Transaction",
  id: `txn_${number}`,
  type: "TRANSFER",
  status: "COMPLETED",
  description: `Rent ${number}`,
  reference: null,
  failureCode: null,
  createdAt: "2026-11-23T12:00:00Z",
  amount: USD(`${number}.00`),
  sender: { __typename: "WalletParty", walletId: "wal_a", displayName: "Alice", wallet: null },
  receiver: { __typename: "WalletParty", walletId: "wal_b", displayName: "Bob", wallet: null },
  fees: [],
  conversion: null,
  entries: [],
});
const wallet = (number: number) => ({
  __typename: "Wallet",
  id: `wal_${number}`,
  name: `Box ${number}`,
  kind: "USER",
  currency: "USD",
  status: "ACTIVE",
  balance: USD("1.00"),
  owner: { __typename: "User", id: "usr_1", displayName: "Alice", wallet: null },
});
const user = (number: number) => ({ __typename: "User", id: `usr_${number}`, displayName: `User ${number}`, wallets: pageOf([]) });

describe("a wallet's activity", () => {
  const feed = { wallet: null, connection: "live" as const, arrivals: [], ended: null, cursor: null };
  const list = <ActivityList walletId="wal_a" filter={NO_LIMITS} feed={feed} onShowAll={() => undefined} />;
  const answer = (page: object): Reply => ({ data: { wallet: { __typename: "Wallet", id: "wal_a", sequence: "9", transactions: page } } });

  test("says that it loads, and then that there is nothing", async () => {
    const { reply, give } = later();
    show(new Answers(reply), list);
    expect(screen.getByRole("status", { name: "Loading transactions" })).toBeTruthy();
    expect(screen.queryByText("No transactions here")).toBeNull();
    give(answer(pageOf([])));
    expect(await screen.findByText("No transactions here")).toBeTruthy();
    expect(screen.queryByRole("status", { name: "Loading transactions" })).toBeNull();
  });

  test("keeps its rows if the next page fails, and loads that page once the service is back", async () => {
    const answers = new Answers(answer(pageOf([transaction(2), transaction(1)], "more")));
    show(answers, list);
    await userEvent.click(await screen.findByRole("button", { name: "Show older ones" }));
    expect(await screen.findByText("The service does not answer.")).toBeTruthy();
    expect(screen.getAllByRole("listitem")).toHaveLength(2);
    expect(screen.queryByText("That is all of them.")).toBeNull();
    // The newest ones are loaded anew, too.
    answers.add(answer(pageOf([transaction(0)])), answer(pageOf([transaction(0)])));
    comesBack();
    expect(await screen.findByText("That is all of them.")).toBeTruthy();
    expect(screen.getAllByRole("listitem")).toHaveLength(3);
    expect(screen.queryByText("The service does not answer.")).toBeNull();
  });

  test("that fails at first is loaded once the service is back", async () => {
    const answers = new Answers(FAILED);
    show(answers, list);
    expect(await screen.findByText("The service does not answer.")).toBeTruthy();
    expect(screen.queryByText("No transactions here")).toBeNull();
    answers.add(answer(pageOf([transaction(1)])), answer(pageOf([transaction(1)])));
    comesBack();
    expect(await screen.findAllByRole("listitem")).toHaveLength(1);
  });
});

describe.each([
  ["users", <Users key="users" search={null} />, user, "No user has this id or subject, or such a name.", "User 1"],
  ["wallets", <Wallets key="wallets" />, wallet, "There are no wallets yet.", "Box 1"],
  ["transactions", <Transactions key="transactions" reference={null} />, transaction, "There are no transactions yet.", "$1.00"],
] as const)("the operator's list of %s", (things, list, node, nothing, first) => {
  const answer = (page: object): Reply => ({ data: { [things]: page } });

  test("says that it loads, and then that there is nothing", async () => {
    const { reply, give } = later();
    show(new Answers(reply), list);
    expect(screen.getByRole("status", { name: `Loading ${things}` })).toBeTruthy();
    give(answer(pageOf([])));
    expect(await screen.findByText(nothing)).toBeTruthy();
  });

  test("keeps its first page if the next one fails, and shows that one once the service is back", async () => {
    const answers = new Answers(answer(pageOf([node(1)], "more")));
    show(answers, list);
    await userEvent.click(await screen.findByRole("button", { name: `Show more ${things}` }));
    expect(await screen.findByText("The service does not answer.")).toBeTruthy();
    expect(screen.getByText(first)).toBeTruthy();
    answers.add(answer(pageOf([node(2)])));
    comesBack();
    expect(await screen.findByText(first.replace("1", "2"))).toBeTruthy();
    expect(screen.getByText(first)).toBeTruthy();
    expect(answers.variables.map(({ after }) => after)).toEqual([null, "more", "more"]);
    expect(screen.queryByText("The service does not answer.")).toBeNull();
  });
});

test("the card of fees says that it loads, that it failed, and that there is no schedule", async () => {
  const { reply, give } = later();
  const answers = new Answers(reply);
  show(answers, <FeesCard />);
  const card = within(screen.getByRole("region", { name: "Fees" }));
  expect(card.getByRole("status", { name: "Loading the fee schedules" })).toBeTruthy();
  give(FAILED);
  expect(await card.findByText("The service does not answer.")).toBeTruthy();
  answers.add({ data: { feeSchedules: [] } });
  comesBack();
  expect(await card.findByText(/Nothing is charged/)).toBeTruthy();
});

test("the line of a fee says who pays what, and is silent without a fee", () => {
  const { rerender } = render(<FeeLine fee={null} />);
  expect(screen.getByRole("status").textContent).toBe("");
  const fee = { kind: "charged" as const, fee: USD("0.59"), debited: USD("10.00"), credited: USD("9.41"), explanations: ["Card fee: 0.59, paid by the receiver"] };
  rerender(<FeeLine fee={fee} />);
  expect(screen.getByRole("status").textContent).toBe("Fee $0.59 · You pay $10.00 · Receiver gets $9.41Card fee: 0.59, paid by the receiver");
  rerender(<FeeLine fee={{ ...fee, explanations: [] }} />);
  expect(screen.getByRole("status").textContent).toBe("Fee $0.59 · You pay $10.00 · Receiver gets $9.41");
});
