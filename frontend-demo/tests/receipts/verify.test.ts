import { describe, expect, it } from "vitest";
import { check, InvalidReceipt } from "../../src/receipts/verify.js";
import examples from "./examples.json" with { type: "json" };

const { key, receipt, hidden } = examples;

describe("a receipt, checked with WebCrypto", () => {
  it("proves the transaction and what it opens", async () => {
    const found = await check(receipt, key);
    expect([found.index, found.logSize]).toEqual([77, 300]);
    expect(found.transaction).toMatchObject({ type: "TRANSFER", amount: "450", currency: "USD", reverses: null });
    expect(found.transaction).toMatchObject({ completed_at: "2000-01-01T00:00:02.500000Z" });
    expect(found.words).toEqual({ description: "Kaffee, groß", reference: null, metadata: '{"a": "b"}' });
    expect(found.request).toMatchObject({ idempotency_key: "coffee-1" });
    expect(found.entries).toMatchObject([{ amount: "-450" }, { amount: "450" }]);
  });

  it("says nothing of what it does not open", async () => {
    const found = await check(hidden, key);
    expect([found.words, found.request, found.entries]).toEqual([undefined, undefined, []]);
  });

  it("is refused with another key", async () => {
    const other = "example.com/other+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    await expect(check(receipt, other)).rejects.toThrow("the key does not match its id");
  });

  it("is refused if any part of it was changed", async () => {
    const original = JSON.stringify(await check(receipt, key));
    for (let place = 0; place < receipt.length; place += 7) {
      const letter = receipt[place] === "A" ? "B" : "A";
      const changed = receipt.slice(0, place) + letter + receipt.slice(place + 1);
      const found = await check(changed, key).catch((error: unknown) => error);
      // What base64 allows to be written in two ways says the same.
      if (!(found instanceof InvalidReceipt)) expect(JSON.stringify(found)).toBe(original);
    }
  });

  it("is refused if an opening says something else than was committed to", async () => {
    const forged = receipt.replace(/^extra (.*)$/m, (_, extra: string) => {
      const content = JSON.parse(atob(extra)) as { openings: { of: string; bytes: string }[] };
      const words = content.openings.find(({ of }) => of === "words")!;
      words.bytes = btoa(atob(words.bytes).replace("Kaffee", "Kuchen"));
      return `extra ${btoa(JSON.stringify(content))}`;
    });
    expect(forged).not.toBe(receipt);
    await expect(check(forged, key)).rejects.toThrow("what is said of its words is not what was committed to");
  });

  it.each(["", "x", "\n\n", receipt.replace("index 77", "index 78"), receipt.replace("\n300\n", "\n301\n")])(
    "is refused if it is none",
    async (text) => {
      await expect(check(text, key)).rejects.toBeInstanceOf(InvalidReceipt);
    },
  );
});
