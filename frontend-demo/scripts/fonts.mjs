/**
 * Makes the fonts in src/fonts again: subsets of Inter and Noto Sans JP, both under the SIL Open Font License 1.1.
 * Run by `npm run fonts`. The packages are installed into a temporary folder, because a build needs only the result.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = ["@fontsource-variable/inter@5.3.0", "@fontsource-variable/noto-sans-jp@5.3.1", "subset-font@2.9.0"];
const INTER = "@fontsource-variable/inter";
const NOTO = "@fontsource-variable/noto-sans-jp";
/** Kerning, accents and digits of one width. Without the rest a file has a third fewer bytes. */
const FEATURES = ["ccmp", "kern", "locl", "mark", "mkmk", "tnum"];
/** The licence and its address stay in the file. */
const NAMES = [13, 14];

const WEIGHTS = { wght: { min: 400, max: 700 } };
const FONTS = [
  // What the pages themselves and nearly all names are written with.
  { package: INTER, file: "inter-latin-wght-normal", name: "inter-latin", axes: WEIGHTS, ranges: "20-7E A0-FF 131 152-153 2C6 2DA 2DC 2002-200B 2010-2027 202F-203A 20AC 2122 2212" },
  // Names from the rest of Europe, and the signs of currencies.
  { package: INTER, file: "inter-latin-ext-wght-normal", name: "inter-latin-ext", axes: WEIGHTS, ranges: "100-130 132-151 154-17F 218-21B 1E9E 20A0-20AB 20AD-20C0" },
  // Japanese names in kana, where the system has no Japanese font. One weight, for the size.
  { package: NOTO, file: "noto-sans-jp-119-wght-normal", name: "noto-sans-jp-kana", axes: { wght: 500 }, ranges: "3001-3002 300C-300F 3041-3096 3099-309F 30A1-30FF" },
];

const fonts = fileURLToPath(new URL("../src/fonts/", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "paycore-fonts-"));
try {
  execFileSync("npm", ["install", "--prefix", work, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", ...PACKAGES], { stdio: "inherit" });
  const subset = createRequire(join(work, "package.json"))("subset-font");
  const installed = (name, file) => join(work, "node_modules", name, file);
  for (const { package: from, file, name, axes, ranges } of FONTS) {
    const options = { targetFormat: "woff2", variationAxes: axes, keepFeatures: FEATURES, preserveNameIds: NAMES, noHinting: true };
    const made = await subset(readFileSync(installed(from, `files/${file}.woff2`)), charactersOf(ranges), options);
    writeFileSync(join(fonts, `${name}.woff2`), made);
    console.log(`${(made.length / 1000).toFixed(1).padStart(8)} kB  ${name}.woff2`);
  }
  copyFileSync(installed(INTER, "LICENSE"), join(fonts, "LICENSE-inter.txt"));
  copyFileSync(installed(NOTO, "LICENSE"), join(fonts, "LICENSE-noto-sans-jp.txt"));
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** "41-43 2212" → "ABC−" */
function charactersOf(ranges) {
  return ranges
    .split(" ")
    .flatMap((range) => {
      const [first, last = first] = range.split("-").map((hex) => Number.parseInt(hex, 16));
      return Array.from({ length: last - first + 1 }, (_, offset) => String.fromCodePoint(first + offset));
    })
    .join("");
}
