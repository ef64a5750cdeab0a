import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { memoryStorage, OpenPayments, transferOver, type KeyStorage, type PaymentState } from "../../src/paycore-pay/index.js";
import { failure, page, reaches, refusal, Service, WANTED } from "./service.js";

let service: Service;
let storage: KeyStorage;

beforeEach(async () => {
  service = await Service.start();
  storage = memoryStorage();
});

afterEach(() => service.stop());

const open = (): number => new OpenPayments("alice", storage).list().length;
const FAILED = { id: "txn_f", status: "FAILED", failureCode: "INSUFFICIENT_FUNDS", createdAt: "", completedAt: "", amount: WANTED.amount };

describe("a payment", () => {
  test("goes from draft over sending to settled, and leaves nothing in the storage", async () => {
    const intent = page(service, storage);
    const phases: string[] = [intent.state.phase];
    intent.subscribe(() => phases.push(intent.state.phase));
    const state = await intent.send(WANTED);
    expect(phases).toEqual(["draft", "sending", "settled"]);
    expect(state).toEqual(intent.state);
    expect(state).toMatchObject({ phase: "settled", replayed: false, tries: 1, transaction: { id: "txn_1" } });
    expect(service.tokens).toEqual(["Bearer a-token"]);
    expect(open()).toBe(0);
  });

  test("is stored before it is sent", async () => {
    const intent = page(service, storage, {
      transfer: (input) => {
        expect(new OpenPayments("alice", storage).list()).toEqual([input]);
        return Promise.resolve({ transaction: { ...FAILED, status: "COMPLETED" }, replayed: false, userErrors: [] });
      },
    });
    expect((await intent.send(WANTED)).phase).toBe("settled");
  });

  test("is not sent if it cannot be stored", async () => {
    const full: KeyStorage = { ...memoryStorage(), setItem: () => { throw new Error("The storage is full."); } };
    const intent = page(service, full);
    await expect(intent.send(WANTED)).rejects.toThrow("The storage is full.");
    expect(intent.state.phase).toBe("draft");
    expect(service.inputs).toEqual([]);
  });

  test("whose answer is lost is sent again with the same key and input, and paid once", async () => {
    service.plans = ["loses", "loses"];
    const state = await page(service, storage).send({ ...WANTED, description: "Coffee" });
    expect(state).toMatchObject({ phase: "settled", replayed: true, tries: 3 });
    expect(service.inputs).toHaveLength(3);
    expect(new Set(service.inputs.map((input) => JSON.stringify(input))).size).toBe(1);
    expect(service.ledger.size).toBe(1);
  });

  test("that is refused for a higher fee keeps its key, which the next send uses with the new limit", async () => {
    service.plans = [refusal("FEE_EXCEEDS_LIMIT")];
    const intent = page(service, storage);
    expect(await intent.send(WANTED)).toMatchObject({ phase: "refused", transaction: null });
    const maxFee = { amount: "0.59", currency: "USD" };
    expect(await intent.send({ ...WANTED, maxFee })).toMatchObject({ phase: "settled" });
    expect(new Set(service.keys).size).toBe(1);
    expect(service.inputs.map((input) => input.maxFee)).toEqual([undefined, maxFee]);
  });

  test("whose outcome is unknown keeps its limit for fees over a reload, and takes no other one", async () => {
    service.plans = ["loses", "loses", "loses", "loses"];
    const maxFee = { amount: "0.59", currency: "USD" };
    const intent = page(service, storage);
    await intent.send({ ...WANTED, maxFee });
    await expect(intent.send({ ...WANTED, maxFee: { ...maxFee, amount: "0.99" } })).rejects.toThrow("its outcome comes first");
    expect(await page(service, storage).resume()).toMatchObject({ phase: "settled", replayed: true });
    expect(new Set(service.inputs.map((input) => JSON.stringify(input))).size).toBe(1);
    expect(service.inputs[0]?.maxFee).toEqual(maxFee);
  });

  test("is left unknown after its tries, and a later retry with its key settles it", async () => {
    service.plans = ["loses", "loses", "loses", "loses"];
    const intent = page(service, storage);
    expect(await intent.send(WANTED)).toMatchObject({ phase: "unknown", tries: 4, retryAt: null, trouble: { code: "NETWORK" } });
    expect(open()).toBe(1);
    expect(await intent.retry()).toMatchObject({ phase: "settled", replayed: true, tries: 5 });
    expect(new Set(service.keys).size).toBe(1);
    expect(open()).toBe(0);
  });

  test.each(["UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "QUERY_TOO_COMPLEX"])("stays unknown if its retry ends with %s, and keeps its key", async (code) => {
    service.plans = ["loses", failure(code)];
    const intent = page(service, storage);
    expect(await intent.send(WANTED)).toMatchObject({ phase: "unknown", trouble: { code } });
    expect(service.inputs).toHaveLength(2);
    expect(await page(service, storage).resume()).toMatchObject({ phase: "settled", replayed: true });
    expect(service.ledger.size).toBe(1);
  });

  test("is unknown after an error with a code that the library does not know", async () => {
    service.plans = [failure("A_CODE_OF_A_LATER_RELEASE")];
    expect(await page(service, storage).send(WANTED)).toMatchObject({ phase: "settled", tries: 2 });
    expect(new Set(service.keys).size).toBe(1);
  });

  test.each([["an answer of a proxy", { error: "bad gateway" }], ["an answer without an outcome", { data: { transfer: { transaction: null, replayed: false, userErrors: [] } } }]])(
    "is unknown after %s",
    async (_, body) => {
      service.plans = [body];
      expect(await page(service, storage).send(WANTED)).toMatchObject({ phase: "settled", tries: 2 });
      expect(new Set(service.keys).size).toBe(1);
    },
  );

  test("is a draft again if its first request ends before anything runs, and the next send has its key", async () => {
    service.plans = [failure("UNAUTHENTICATED")];
    const intent = page(service, storage);
    expect(await intent.send(WANTED)).toMatchObject({ phase: "draft", trouble: { code: "UNAUTHENTICATED" } });
    expect(open()).toBe(0);
    expect((await intent.send(WANTED)).phase).toBe("settled");
    expect(new Set(service.keys).size).toBe(1);
  });

  test("is not sent without a token", async () => {
    const transfer = transferOver({ url: service.url, token: () => Promise.reject(new Error("Signed out.")) });
    expect(await page(service, storage, { transfer }).send(WANTED)).toMatchObject({ phase: "draft", trouble: { code: "NO_TOKEN", message: "Signed out." } });
    expect(service.inputs).toEqual([]);
  });

  test("gets a new key after a recorded refusal", async () => {
    service.plans = [refusal("INSUFFICIENT_FUNDS", FAILED)];
    const intent = page(service, storage);
    expect(await intent.send(WANTED)).toMatchObject({ phase: "refused", refusals: [{ code: "INSUFFICIENT_FUNDS" }], transaction: { id: "txn_f" } });
    await intent.send(WANTED);
    expect(new Set(service.keys).size).toBe(2);
  });

  test("keeps its key after a refusal that left no record", async () => {
    service.plans = [refusal("INVALID_AMOUNT")];
    const intent = page(service, storage);
    expect(await intent.send(WANTED)).toMatchObject({ phase: "refused", transaction: null });
    await intent.send(WANTED);
    expect(new Set(service.keys).size).toBe(1);
  });

  test("can be asked for again once it is settled, and stays paid", async () => {
    const intent = page(service, storage);
    await intent.send(WANTED);
    expect(await intent.repeat()).toMatchObject({ phase: "settled", replayed: true });
    service.plans = [failure("UNAUTHENTICATED")];
    expect((await intent.repeat()).phase).toBe("unknown");
    expect(service.ledger.size).toBe(1);
  });
});

describe("a page", () => {
  test("that is opened again after a reload sends what was left open, with its key", async () => {
    service.plans = ["hangs"];
    const first = page(service, storage);
    void first.send(WANTED);
    await expect.poll(() => service.inputs.length).toBe(1);
    const state = await page(service, storage).resume();
    expect(state).toMatchObject({ phase: "settled", replayed: true });
    expect(new Set(service.keys).size).toBe(1);
    expect(service.ledger.size).toBe(1);
  });

  test("with nothing left open sends nothing", async () => {
    expect((await page(service, storage).resume()).phase).toBe("draft");
    expect(service.inputs).toEqual([]);
  });

  test("does not take up the payments of another owner", async () => {
    new OpenPayments("bob", storage).remember({ ...WANTED, idempotencyKey: "k" });
    expect((await page(service, storage).resume()).phase).toBe("draft");
  });

  test("never has two requests running", async () => {
    service.plans = ["loses", "loses"];
    const intent = page(service, storage);
    const first = intent.send(WANTED);
    await expect(intent.send(WANTED)).rejects.toThrow("outcome comes first");
    const all = await Promise.all([first, intent.retry(), intent.retry(), intent.resume(), intent.repeat()]);
    expect(all.map(({ phase }: PaymentState) => phase)).toEqual(Array.from(all, () => "settled"));
    expect(service.mostRunning).toBe(1);
    expect(service.ledger.size).toBe(1);
  });

  test("that goes away makes no further try, and takes up the payment when it is back", async () => {
    service.plans = ["loses"];
    const intent = page(service, storage, { timing: { firstPause: 600_000, longestPause: 600_000 } });
    const sent = intent.send(WANTED);
    await reaches(intent, "unknown");
    intent.stop();
    expect(await sent).toMatchObject({ phase: "unknown", retryAt: null });
    expect(open()).toBe(1);
    expect(await intent.resume()).toMatchObject({ phase: "settled", replayed: true });
  });

  test("that goes away and is back at once goes on", async () => {
    service.plans = ["loses"];
    const intent = page(service, storage, { timing: { firstPause: 600_000, longestPause: 600_000 } });
    void intent.resume();
    intent.stop();
    const sent = intent.send(WANTED);
    intent.stop();
    void intent.resume();
    await reaches(intent, "unknown");
    intent.stop();
    void intent.resume();
    expect(await sent).toMatchObject({ phase: "settled", replayed: true });
  });

  test("forgets a payment whose answer comes after it went away", async () => {
    const intent = page(service, storage);
    const sent = intent.send(WANTED);
    intent.stop();
    expect((await sent).phase).toBe("settled");
    expect(open()).toBe(0);
  });

  test("has a new draft once the outcome is known, and not before", async () => {
    service.plans = ["loses", failure("FORBIDDEN")];
    const intent = page(service, storage);
    await intent.send(WANTED);
    intent.clear();
    expect(intent.state.phase).toBe("unknown");
    await intent.retry();
    intent.clear();
    expect(intent.state).toEqual({ phase: "draft", trouble: null });
    await intent.send(WANTED);
    expect(new Set(service.keys).size).toBe(2);
  });
});

describe("a signal", () => {
  test("that aborts a running request leaves the payment unknown, with its key", async () => {
    service.plans = ["hangs"];
    const intent = page(service, storage);
    const stopper = new AbortController();
    const sent = intent.send(WANTED, { signal: stopper.signal });
    await expect.poll(() => service.inputs.length).toBe(1);
    stopper.abort();
    expect(await sent).toMatchObject({ phase: "unknown", retryAt: null, trouble: { code: "ABORTED" } });
    await expect.poll(() => service.running).toBe(0);
    expect(open()).toBe(1);
    expect(await intent.retry()).toMatchObject({ phase: "settled", replayed: true });
  });

  test("ends the pause before the next try", async () => {
    service.plans = ["loses"];
    const intent = page(service, storage, { timing: { firstPause: 600_000, longestPause: 600_000 } });
    const stopper = new AbortController();
    const sent = intent.send(WANTED, { signal: stopper.signal });
    await reaches(intent, "unknown");
    stopper.abort();
    expect(await sent).toMatchObject({ phase: "unknown", retryAt: null });
    expect(service.inputs).toHaveLength(1);
  });

  test("that is aborted before sends nothing", async () => {
    const intent = page(service, storage);
    await expect(intent.send(WANTED, { signal: AbortSignal.abort() })).rejects.toThrow("abort");
    expect(intent.state.phase).toBe("draft");
    expect(service.inputs).toEqual([]);
  });
});

test("a request that takes longer than the patience is lost, and its payment is made once", async () => {
  service.plans = ["hangs"];
  const transfer = transferOver({ url: service.url, token: () => Promise.resolve("t"), patienceMilliseconds: 300 });
  expect(await page(service, storage, { transfer }).send(WANTED)).toMatchObject({ phase: "settled", replayed: true, tries: 2 });
});
