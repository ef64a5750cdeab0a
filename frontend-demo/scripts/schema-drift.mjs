/** Fails where src/graphql/schema.d.ts is not what `npm run generate` makes of the service's schema.graphql. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const frontend = fileURLToPath(new URL("..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "paycore-schema-"));
try {
  const fresh = join(directory, "schema.d.ts");
  const cli = join(frontend, "node_modules/gql.tada/bin/cli.js");
  execFileSync(process.execPath, [cli, "generate-output", "--output", fresh], { cwd: frontend, stdio: ["ignore", "ignore", "inherit"] });
  if (readFileSync(fresh, "utf8") !== readFileSync(join(frontend, "src/graphql/schema.d.ts"), "utf8")) {
    console.error("src/graphql/schema.d.ts is stale: npm run generate");
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true });
}
