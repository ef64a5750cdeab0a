import { afterEach, beforeEach, expect, test, vi } from "vitest";
import ts from "typescript";
import { memoryStorage, type PaymentIntent } from "../../src/paycore-pay/index.js";
import { example, placeOf } from "../readmes.js";
import { failure, Service, WANTED } from "./service.js";

interface Example {
  openPayment: (userId: string, token: () => Promise<string>, show: (text: string) => void) => PaymentIntent;
}

let service: Service;

beforeEach(async () => {
  service = await Service.start();
  vi.stubGlobal("serviceUrl", service.url.replace("/graphql", ""));
  vi.stubGlobal("sessionStorage", memoryStorage());
  return () => vi.unstubAllGlobals();
});

afterEach(() => service.stop());

const NAME = "../../src/readme-of-paycore-pay.ts";

test("the README's example pays once, also if the page is reloaded before the answer", async () => {
  const { openPayment } = (await import(NAME)) as Example;
  service.plans = ["hangs"];
  void openPayment("alice", () => Promise.resolve("t"), () => undefined).send(WANTED);
  await expect.poll(() => service.inputs.length).toBe(1);
  const shown: string[] = [];
  openPayment("alice", () => Promise.resolve("t"), (text) => shown.push(text));
  await expect.poll(() => shown.at(-1)).toBe("Paid.");
  expect(shown).toEqual(["Sending…", "Paid."]);
  expect(service.ledger.size).toBe(1);
});

test("the README's example shows why a request was refused", async () => {
  const { openPayment } = (await import(NAME)) as Example;
  service.plans = [failure("UNAUTHENTICATED")];
  const shown: string[] = [];
  await openPayment("alice", () => Promise.resolve("t"), (text) => shown.push(text)).send(WANTED);
  expect(shown).toEqual(["Sending…", "UNAUTHENTICATED"]);
});

test("the examples of the READMEs are type-correct as they stand", () => {
  const sources = new Map([
    [placeOf("paycore-pay", "ts"), example("paycore-pay", "ts")],
    [placeOf("paycore-react", "tsx"), example("paycore-react", "tsx")],
  ]);
  const { config } = ts.readConfigFile(new URL("../../tsconfig.json", import.meta.url).pathname, (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, new URL("../..", import.meta.url).pathname);
  const host = ts.createCompilerHost(options);
  const files = { fileExists: host.fileExists.bind(host), getSourceFile: host.getSourceFile.bind(host) };
  host.fileExists = (name) => sources.has(name) || files.fileExists(name);
  host.getSourceFile = (name, version) => {
    const source = sources.get(name);
    return source === undefined ? files.getSourceFile(name, version) : ts.createSourceFile(name, source, version);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const problems = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  expect(problems).toEqual([]);
}, 120_000);
