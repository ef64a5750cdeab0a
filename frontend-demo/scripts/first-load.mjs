/** Fails where the first load of a page of the dashboard (its document, and the scripts, styles and font that it asks for at once) is too large. */

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
const sizeOf = (file) => gzipSync(readFileSync(new URL(file, dist))).length;
const first = new Set(["index.html", ...filesOf("index.html"), ...preloaded]);
const kilobytes = (size) => `${(size / 1000).toFixed(1).padStart(8)} kB`;
const totalOf = (files) => [...files].reduce((sum, file) => sum + sizeOf(file), 0);

for (const file of first) {
  console.log(`${kilobytes(sizeOf(file))}  ${file}`);
}
const totals = [["first load", totalOf(first)]];
for (const name of manifest["index.html"].dynamicImports) {
  totals.push([`with ${name}`, totalOf(new Set([...first, ...filesOf(name)]))]);
}
for (const [name, total] of totals) {
  console.log(`${kilobytes(total)}  ${name}, gzipped; the limit is ${LIMIT_BYTES / 1000} kB`);
}
process.exitCode = totals.some(([, total]) => total > LIMIT_BYTES) ? 1 : 0;
