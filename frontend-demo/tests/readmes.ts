/** The code blocks of a README as modules, so that tests run what people copy. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const SRC = new URL("../src/", import.meta.url);

/** The first block in this language. */
export function example(folder: string, language: "ts" | "tsx"): string {
  const text = readFileSync(new URL(`${folder}/README.md`, SRC), "utf8");
  const [, block] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(text) ?? [];
  if (block === undefined) {
    throw new Error(`${folder}/README.md has no example in ${language}`);
  }
  return block;
}

/** Where the example would be, if somebody copied it beside the folders. */
export function placeOf(folder: string, language: "ts" | "tsx"): string {
  return fileURLToPath(new URL(`readme-of-${folder}.${language}`, SRC));
}

/** Importing `src/readme-of-paycore-pay.ts`, which is no file, gives the example, with `globalThis.serviceUrl` as its service. */
export function readmes(): Plugin {
  const ids = new Map<string, string>();
  return {
    name: "readmes",
    enforce: "pre",
    resolveId(source) {
      const [, folder, language] = /readme-of-([\w-]+)\.(tsx?)$/.exec(source) ?? [];
      if (folder === undefined) {
        return null;
      }
      const place = placeOf(folder, language as "ts" | "tsx");
      ids.set(place, example(folder, language as "ts" | "tsx"));
      return place;
    },
    load(id) {
      return ids.get(id)?.replaceAll(/"(http|ws)s:\/\/pay\.example\.com(.*?)"/g, (_, protocol: string, path: string) => `globalThis.serviceUrl.replace("http", "${protocol}") + "${path}"`) ?? null;
    },
  };
}
