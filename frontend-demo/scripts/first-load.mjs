/** Fails where the first load of the dashboard (its page, and the scripts, styles and font that it asks for at once) is too large. */

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 170_000;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

function filesOf(name, found = new Set()) {
  const { file, css = [], imports = [] } = manifest[name];
  for (const path of [file, ...css]) {
    found.add(path);
  }
  imports.filter((imported) => !found.has(manifest[imported].file)).forEach((imported) => filesOf(imported, found));
  return found;
}

const page = readFileSync(new URL("index.html", dist), "utf8");
const preloaded = [...page.matchAll(/rel="preload"[^>]* href="\/([^"]+)"/g)].map(([, file]) => file);
const files = ["index.html", ...filesOf("index.html"), ...preloaded];
const sizes = files.map((file) => [file, gzipSync(readFileSync(new URL(file, dist))).length]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
for (const [file, size] of sizes) {
  console.log(`${(size / 1000).toFixed(1).padStart(8)} kB  ${file}`);
}
console.log(`${(total / 1000).toFixed(1).padStart(8)} kB  first load, gzipped; the limit is ${LIMIT_BYTES / 1000} kB`);
process.exitCode = total > LIMIT_BYTES ? 1 : 0;
