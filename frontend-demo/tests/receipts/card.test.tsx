// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import jsQR from "jsqr";
import { afterEach, describe, expect, test, vi } from "vitest";
import { bareReceipt, signedSize } from "../../src/receipts/bare.js";
import { differences, type Shown } from "../../src/receipts/comparison.js";
import { publicId } from "../../src/receipts/ids.js";
import { QrCode } from "../../src/receipts/QrCode.js";
import { Steps } from "../../src/receipts/Steps.js";
import { verification } from "../../src/receipts/useVerification.js";
import { check } from "../../src/receipts/verify.js";
import examples from "./examples.json" with { type: "json" };

const { key, receipt } = examples;

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("what was checked", () => {
  const states = () => screen.getAllByRole("listitem").filter((item) => item.classList.contains("proof-step")).map((item) => item.className.replaceAll("proof-step", "").trim());

  test("is shown step by step", async () => {
    const found = await verification(receipt, key);
    render(<Steps found={found} />);
    expect(states()).toEqual(["-good", "-good", "-good", "-good"]);
    expect(screen.getByText("Kaffee, groß")).toBeTruthy();
    expect(found.steps.map(({ of }) => of)).toEqual(["fields", "leaf", "path", "signature"]);
    expect(found.steps[2]).toMatchObject({ logSize: 300 });
  });

  test("ends at the step that failed", async () => {
    render(<Steps found={await verification(receipt.replace("index 77", "index 78"), key)} />);
    expect(states()).toEqual(["-good", "-good", "-bad", ""]);
    cleanup();
    const forged = receipt.replace(/(— \S+ ......)(....)/, (_, before: string, four: string) => before + (four === "AAAA" ? "BBBB" : "AAAA"));
    const found = await verification(forged, key);
    render(<Steps found={found} />);
    expect(states()).toEqual(["-good", "-good", "-good", "-bad"]);
    expect(found.outcome.kind).toBe("refused");
  });

  test("says that a browser without Ed25519 or WebCrypto cannot check it, not that it is wrong", async () => {
    vi.spyOn(crypto.subtle, "importKey").mockRejectedValue(new DOMException("Unrecognized name", "NotSupportedError"));
    const found = await verification(receipt, key);
    expect(found.outcome).toEqual({ kind: "cannot", reason: "the browser has no Ed25519" });
    render(<Steps found={found} />);
    expect(states()).toEqual(["-good", "-good", "-good", ""]);
    vi.spyOn(crypto, "subtle", "get").mockReturnValue(undefined as unknown as SubtleCrypto);
    expect((await verification(receipt, key)).outcome).toMatchObject({ kind: "cannot" });
  });
});

describe("a page and a receipt", () => {
  const shown = async (): Promise<Shown> => {
    const { transaction } = await check(receipt, key);
    return {
      id: publicId("txn", transaction["id"]!),
      type: "TRANSFER",
      amount: { amount: "4.50", currency: "USD" },
      createdAt: transaction["created_at"]!,
      completedAt: transaction["completed_at"]!.replace("00000Z", "Z"),
      description: "Kaffee, groß",
      reference: null,
      sender: { walletId: publicId("wal", transaction["sender"]!) },
      receiver: { walletId: publicId("wal", transaction["receiver"]!) },
    };
  };

  test("say the same", async () => {
    expect(differences(await check(receipt, key), await shown(), 2)).toEqual([]);
  });

  test.each([
    ["amount", { amount: { amount: "45.00", currency: "USD" } }, "4.50 USD", "45.00 USD"],
    ["amount", { amount: { amount: "4.50", currency: "EUR" } }, "4.50 USD", "4.50 EUR"],
    ["description", { description: null }, "Kaffee, groß", ""],
    ["completed", { completedAt: "2000-01-01T00:00:02.500001Z" }, "2000-01-01T00:00:02.500000Z", "2000-01-01T00:00:02.500001Z"],
    ["receiver", { receiver: { walletId: "wal_00000000000000000000000000" } }, undefined, "wal_00000000000000000000000000"],
    ["transaction", { id: "txn_00000000000000000000000000" }, undefined, "txn_00000000000000000000000000"],
  ])("differ in the %s: %#", async (field, change, right, wrong) => {
    const found = differences(await check(receipt, key), { ...(await shown()), ...change }, 2);
    expect(found).toMatchObject([{ field, shown: wrong, ...(right === undefined ? {} : { proved: right }) }]);
  });
});

test("a public id is the TypeID of the UUID", () => {
  expect(publicId("prefix", "01890a5d-ac96-774b-bcce-b302099a8057")).toBe("prefix_01h455vb4pex5vsknk084sn02q");
  expect(publicId("x", "00000000-0000-0000-0000-000000000000")).toBe("x_00000000000000000000000000");
  expect(publicId("x", "ffffffff-ffff-ffff-ffff-ffffffffffff")).toBe("x_7zzzzzzzzzzzzzzzzzzzzzzzzz");
});

describe("the bare receipt", () => {
  test("verifies and opens nothing", async () => {
    const found = await check(bareReceipt(receipt), key);
    expect([found.words, found.request, found.entries]).toEqual([undefined, undefined, []]);
    expect(found.transaction).toEqual((await check(receipt, key)).transaction);
    expect(signedSize(receipt)).toBe("300");
  });

  test("is what the QR code holds", async () => {
    const text = scanned(receipt);
    expect(text).toBe(bareReceipt(receipt));
    expect((await check(text, key)).logSize).toBe(300);
  });

  test("is read from a code of any size", () => {
    const longest = receipt + "x".repeat(2_300);
    const end = longest.indexOf("\n", longest.indexOf("extra "));
    let one = longest.slice(0, end);
    for (let more = 60; bareReceipt(one).length <= 2_300; more += 60) {
      expect(scanned(one)).toBe(bareReceipt(one));
      one = longest.slice(0, end + more);
    }
  });

  test("that is too long gets no code", () => {
    render(<QrCode receipt={`${receipt}${"x".repeat(2_300)}`} />);
    expect(screen.queryByRole("img")).toBeNull();
  });
});

/** What a scanner reads from the code of a receipt. */
function scanned(of: string): string {
  cleanup();
  render(<QrCode receipt={of} />);
  const picture = screen.getByRole("img", { name: "QR code of the receipt" });
  return read(picture.querySelector("path")!.getAttribute("d")!, Number(picture.getAttribute("viewBox")!.split(" ")[2]));
}

/** Paint the path's rectangles, four pixels for each module, and decode them. */
function read(path: string, size: number): string {
  const [scale, width] = [4, size * 4];
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [, x, y, length] of path.matchAll(/M(\d+) (\d+)h(\d+)v1H\1z/g)) {
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row += 1) {
      for (let column = Number(x) * scale; column < (Number(x) + Number(length)) * scale; column += 1) {
        pixels.set([0, 0, 0], (row * width + column) * 4);
      }
    }
  }
  const found = jsQR(pixels, width, width);
  return new TextDecoder().decode(Uint8Array.from(found!.binaryData));
}
