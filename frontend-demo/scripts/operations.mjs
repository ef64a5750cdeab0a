/**
 * Writes operations.json: the operations that the modules below src/ export, by their SHA-256. It is the list for
 * PAYCORE_PERSISTED_OPERATIONS_FILE. With --check it only compares.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Kind, parse, print } from "graphql";
import { runnerImport } from "vite";

const frontend = fileURLToPath(new URL("..", import.meta.url));
const file = join(frontend, "operations.json");

/** How a module writes its documents: graphql(`…`), or a plain string in the client that has no dependency on graphql. */
const WRITES_DOCUMENTS = /\bgraphql\(|\/\* GraphQL \*\/ `/;

const texts = [];
for (const name of readdirSync(join(frontend, "src"), { recursive: true })) {
  const path = join(frontend, "src", name);
  if (!/\.tsx?$/.test(name) || !WRITES_DOCUMENTS.test(readFileSync(path, "utf8"))) continue;
  const { module } = await runnerImport(path, { configFile: false, root: frontend, logLevel: "error" });
  for (const [key, value] of Object.entries(module)) {
    const document = key.endsWith("_DOCUMENT") ? parse(value) : value;
    if (document?.kind !== Kind.DOCUMENT) continue;
    if (document.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION)) texts.push(print(document));
  }
}

const entries = texts.map((text) => [createHash("sha256").update(text).digest("hex"), text]);
const fresh = `${JSON.stringify(Object.fromEntries(entries.sort()), null, 2)}\n`;
if (!process.argv.includes("--check")) writeFileSync(file, fresh);
else if (readFileSync(file, "utf8") !== fresh) {
  console.error("operations.json is stale: npm run operations");
  process.exitCode = 1;
}
