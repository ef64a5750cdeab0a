// @vitest-environment jsdom
import { act, cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { StrictMode, type ComponentType } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { failure, Service as Payments } from "../paycore-pay/service.js";
import { Service as Updates } from "../paycore-live/service.js";
import { entry, snapshot, WALLET } from "../paycore-live/world.js";

interface Example {
  Coffee: ComponentType<{ userId: string; walletId: string; cafeWalletId: string; token: () => Promise<string> }>;
}

let payments: Payments;
let updates: Updates;

beforeEach(async () => {
  payments = await Payments.start();
  updates = await Updates.start();
  // Of the two local servers one speaks HTTP and the other WebSocket.
  vi.stubGlobal("serviceUrl", { replace: (_: string, protocol: string) => (protocol === "ws" ? updates.url : payments.url).replace("/graphql", "") });
  // jsdom's events are of another class than those that Node's own expects.
  vi.stubGlobal("WebSocket", WebSocket);
  sessionStorage.clear();
});

afterEach(async () => {
  cleanup();
  vi.unstubAllGlobals();
  await payments.stop();
  await updates.stop();
});

const NAME = "../../src/readme-of-paycore-react.tsx";

async function show(): Promise<() => void> {
  const { Coffee } = (await import(NAME)) as Example;
  const { unmount } = render(
    <StrictMode>
      <Coffee userId="alice" walletId={WALLET} cafeWalletId="wal_cafe" token={() => Promise.resolve("t")} />
    </StrictMode>,
  );
  return unmount;
}

test("the README's component shows the balance, and each new one", async () => {
  const unmount = await show();
  expect(screen.getByText(/^Balance: …/)).toBeTruthy();
  await expect.poll(() => updates.connections.some(({ subscription }) => subscription)).toBe(true);
  const connection = updates.connections.find(({ subscription }) => subscription)!;
  act(() => connection.update(snapshot(3)));
  expect(await screen.findByText("Balance: 3.00 USD")).toBeTruthy();
  act(() => connection.update(entry(4)));
  expect(await screen.findByText("Balance: 4.00 USD")).toBeTruthy();
  connection.socket.terminate();
  expect(await screen.findByText("Balance: 4.00 USD (as last known)")).toBeTruthy();
  unmount();
  await expect.poll(() => updates.open).toBe(0);
});

test("the README's component pays once", async () => {
  await show();
  await userEvent.click(screen.getByRole("button", { name: "Pay 4.50 USD" }));
  expect(await screen.findByText("Paid.")).toBeTruthy();
  expect(payments.inputs).toHaveLength(1);
  expect(payments.inputs[0]).toMatchObject({ senderWalletId: WALLET, receiverWalletId: "wal_cafe", amount: { amount: "4.50", currency: "USD" } });
});

test("a component that appears anew, also in strict mode, sends what was left unknown with its key", async () => {
  payments.plans = ["loses", failure("UNAUTHENTICATED")];
  const unmount = await show();
  await userEvent.click(screen.getByRole("button", { name: "Pay 4.50 USD" }));
  expect(await screen.findByRole("button", { name: /not known yet/ })).toBeTruthy();
  unmount();
  await show();
  await expect.poll(() => payments.keys.length).toBe(2);
  await userEvent.click(await screen.findByRole("button", { name: /not known yet/ }));
  expect(await screen.findByText("Paid.", {}, { timeout: 10_000 })).toBeTruthy();
  expect(new Set(payments.keys).size).toBe(1);
  expect(payments.ledger.size).toBe(1);
  expect(payments.mostRunning).toBe(1);
});
