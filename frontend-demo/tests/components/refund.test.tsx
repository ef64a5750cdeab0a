// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { Exchanged } from "../../src/transactions/refund/parts.js";
import { RefundDialog } from "../../src/transactions/refund/RefundDialog.js";

beforeAll(() => {
  HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (this: HTMLDialogElement) {
    this.open = false;
  };
});

afterEach(cleanup);

function open(hasFee = false, exchanged: Exchanged | null = null) {
  const onConfirm = vi.fn();
  render(<RefundDialog title="Refund this payment" to="Alice" left={{ amount: "6.00", currency: "USD" }} hasFee={hasFee} exchanged={exchanged} onConfirm={onConfirm} onClose={() => undefined} />);
  return { onConfirm, amount: screen.getByLabelText("Amount in USD"), hint: () => document.getElementById("refund-amount-hint")?.textContent };
}

test("all that is left goes back unless another amount is entered", async () => {
  const { onConfirm, hint } = open();
  expect(hint()).toContain("to Alice");
  await userEvent.click(screen.getByRole("button", { name: /^Give back .*6\.00/ }));
  expect(onConfirm).toHaveBeenCalledWith({ amount: { amount: "6.00", currency: "USD" }, description: null });
});

test("a part goes back with a note, and the same part of the fee is announced", async () => {
  const { onConfirm, amount, hint } = open(true);
  expect(hint()).toContain("The same part of the fee goes back, too.");
  await userEvent.clear(amount);
  await userEvent.type(amount, "2.5");
  await userEvent.type(screen.getByLabelText("Note (optional)"), " one shoe ");
  await userEvent.click(screen.getByRole("button", { name: /^Give back .*2\.50/ }));
  expect(onConfirm).toHaveBeenCalledWith({ amount: { amount: "2.50", currency: "USD" }, description: "one shoe" });
});

test.each(["6.01", "0", "", "two"])("%j is refused in the dialog, and nothing is sent", async (entered) => {
  const { onConfirm, amount } = open();
  await userEvent.clear(amount);
  if (entered !== "") {
    await userEvent.type(amount, entered);
  }
  expect(amount.getAttribute("aria-invalid")).toBe("true");
  await userEvent.click(screen.getByRole("button", { name: "Give back" }));
  expect(onConfirm).not.toHaveBeenCalled();
  expect(document.activeElement).toBe(amount);
});

test("of an exchange the dialog says what goes back on both sides, rounded as the service rounds", async () => {
  const { amount } = open(false, { sold: { amount: "10.00", currency: "USD" }, reversed: { amount: "4.00", currency: "USD" }, bought: { amount: "9.15", currency: "EUR" } });
  // 5.49 of the 9.15 are left: the first part took 3.66.
  expect(screen.getByRole("status").textContent).toMatch(/€5\.49 leaves the wallet that was paid, and \$6\.00 goes back/);
  await userEvent.clear(amount);
  await userEvent.type(amount, "0.01");
  expect(screen.getByRole("status").textContent).toMatch(/€0\.01 leaves/);
});
