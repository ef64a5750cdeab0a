// @vitest-environment jsdom
import { CombinedError } from "@urql/core";
import { act, cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AsOf, useIsStale } from "../../src/control/AsOf.js";
import { ConnectionBanner } from "../../src/live/Banner.js";
import { connection } from "../../src/live/page.js";
import { MoneyText } from "../../src/money/Money.js";
import { StatusBadge } from "../../src/ui/Badge.js";
import { Empty, Notice, QueryFailed, Skeleton } from "../../src/ui/Notice.js";

afterEach(cleanup);

describe("the banner of an outage", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"] });
    // The address of the page leads to no server here, so a probe of the service fails.
    return () => {
      connection.succeeded();
      vi.useRealTimers();
    };
  });

  test("says how long the connection is lost and how old the balances are, and goes when it is back", async () => {
    render(<ConnectionBanner />);
    connection.failed();
    await vi.advanceTimersByTimeAsync(12_300);
    const banner = screen.getByRole("region", { name: "Outage" });
    expect(banner.textContent).toMatch(/Connection lost 1[12] s ago\. Balances as of .*\d/);
    expect(screen.getByRole("status").textContent).toContain("This page tries again by itself");
    expect(screen.getByRole("button", { name: "Try to connect now" })).toBeTruthy();
    await vi.advanceTimersByTimeAsync(180_000);
    expect(banner.textContent).toContain("Connection lost 3 min ago.");
    connection.succeeded();
    await vi.advanceTimersByTimeAsync(500);
    expect(screen.queryByRole("region", { name: "Outage" })).toBeNull();
  });

  test("does not show for a moment without a connection", async () => {
    render(<ConnectionBanner />);
    connection.failed();
    await vi.advanceTimersByTimeAsync(300);
    expect(screen.queryByRole("region", { name: "Outage" })).toBeNull();
  });
});

describe("figures", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"] });
    return () => void vi.useRealTimers();
  });

  function Age({ answeredAt }: { readonly answeredAt: number }) {
    return <AsOf answeredAt={useIsStale(answeredAt) ? answeredAt : null} />;
  }

  test("say how old they are if the last answer is older than a few seconds, until the next answer", async () => {
    const start = performance.timeOrigin + performance.now();
    const { rerender } = render(<Age answeredAt={start} />);
    await act(() => vi.advanceTimersByTimeAsync(4_500));
    expect(screen.getByRole("status").textContent).toBe("");
    await act(() => vi.advanceTimersByTimeAsync(1_000));
    await act(() => vi.advanceTimersByTimeAsync(7_000));
    expect(document.querySelector(".as-of")?.textContent).toMatch(/^As of .*\d.*, 12 s ago$/);
    expect(screen.getByRole("status").textContent).toMatch(/^The figures are as of .*\d/);
    rerender(<Age answeredAt={start + 12_500} />);
    expect(document.querySelector(".as-of")).toBeNull();
  });
});

describe("a failed query", () => {
  const failed = (code: string): CombinedError => new CombinedError({ graphQLErrors: [{ message: `It is ${code}.`, extensions: { code } }] });

  test("without an answer shows no code, and can be sent again", async () => {
    const onRetry = vi.fn();
    render(<QueryFailed error={new CombinedError({ networkError: new Error("fetch failed") })} onRetry={onRetry} />);
    expect(screen.getByRole("alert").textContent).toContain("The service does not answer.");
    expect(screen.getByRole("alert").textContent).not.toContain("NETWORK");
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(onRetry).toHaveBeenCalledOnce();
  });

  test("shows the service's words and its code", () => {
    render(<QueryFailed error={failed("FORBIDDEN")} onRetry={() => undefined} />);
    expect(screen.getByRole("alert").textContent).toContain("It is FORBIDDEN.");
    expect(screen.getByText("FORBIDDEN")).toBeTruthy();
  });
});

describe("an amount", () => {
  beforeEach(() => () => vi.restoreAllMocks());

  test.each([
    ["en-US", { amount: "9000000000000000.01", currency: "USD" }, "$9,000,000,000,000,000.01"],
    ["en-US", { amount: "-1800000", currency: "JPY" }, "−¥1,800,000"],
    ["de-DE", { amount: "1234567.890", currency: "KWD" }, "1.234.567,890 KWD"],
    ["ja-JP", { amount: "1800000", currency: "JPY" }, "￥1,800,000"],
  ])("in %s is shown to its last digit: %#", (locale, money, text) => {
    vi.spyOn(navigator, "language", "get").mockReturnValue(locale);
    render(<MoneyText money={money} />);
    const shown = document.querySelector("data.money");
    expect(shown?.textContent.replaceAll(/\s/g, " ")).toBe(text);
    expect(shown?.getAttribute("value")).toBe(money.amount);
  });

  test("in ar-EG has Arabic digits, and its sign", () => {
    vi.spyOn(navigator, "language", "get").mockReturnValue("ar-EG");
    render(<MoneyText money={{ amount: "1234.50", currency: "USD" }} direction="DEBIT" />);
    const text = document.querySelector("data.money")?.textContent ?? "";
    expect(text).toContain("١٬٢٣٤٫٥٠");
    expect(text).toContain("−");
  });

  test("that is long may wrap between groups of digits only", () => {
    vi.spyOn(navigator, "language", "get").mockReturnValue("en-US");
    render(<MoneyText money={{ amount: "9000000000000000.01", currency: "USD" }} />);
    expect(document.querySelector("data.money")?.innerHTML.split("<wbr>").slice(1, -1).every((group) => /^,?\d{3},?$/.test(group))).toBe(true);
  });
});

test.each([["FROZEN", "Frozen", "cold"], ["CLOSED", "Closed", "muted"], ["A_NEW_STATUS", "A_new_status", "muted"]])("the status %s is a word", (status, word, tone) => {
  render(<StatusBadge status={status} />);
  expect(screen.getByText(word).className).toContain(`badge-${tone}`);
});

test("an empty list says so, and may be the page's heading", () => {
  render(
    <Empty icon="wallet" title="There is no wallet to send from" isPage>
      <p>Open one first.</p>
    </Empty>,
  );
  expect(screen.getByRole("heading", { level: 1, name: "There is no wallet to send from" })).toBeTruthy();
  expect(screen.getByText("Open one first.")).toBeTruthy();
});

test("what is loading has a name, and a warning is announced at once", () => {
  render(
    <>
      <Skeleton label="Loading the wallets" />
      <Notice tone="warning" title="The figures are old." />
    </>,
  );
  expect(screen.getByRole("status", { name: "Loading the wallets" })).toBeTruthy();
  expect(screen.getByRole("alert").textContent).toContain("The figures are old.");
});
