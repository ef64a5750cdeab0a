/** What a typed search asks for: words, amounts, and pairs of metadata. */
export interface Search {
  /** Separated by spaces; null for none. */
  readonly words: string | null;
  /** Plain decimals, both inclusive; null for no limit. */
  readonly amountFrom: string | null;
  readonly amountTo: string | null;
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
  /** Why the service would refuse it; null if it would not. */
  readonly problem: string | null;
}

/** The API's limits. */
const MOST_WORDS = 8;
const MOST_PAIRS = 20;
export const LONGEST_SEARCH = 200;

const NUMBER = String.raw`\d{1,15}(?:\.\d{1,4})?`;
const EXACT = /^=?(\d{1,15}\.\d{1,4})$|^=(\d{1,15})$/;
const AT_LEAST = new RegExp(`^>=?(${NUMBER})$`);
const AT_MOST = new RegExp(`^<=?(${NUMBER})$`);
const BETWEEN = new RegExp(String.raw`^(${NUMBER})\.\.(${NUMBER})$`);
const PAIR = /^([\w.-]+)[=:](.+)$/u;
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * Read a search: `12.50` and `=12` are amounts, `>10`, `<20` and `10..20` limits of amounts, `order=17` a pair of metadata, and
 * all else words.
 */
export function readSearch(text: string): Search {
  let amountFrom: string | null = null;
  let amountTo: string | null = null;
  const words: string[] = [];
  const metadata: { readonly key: string; readonly value: string }[] = [];
  for (const part of text.normalize("NFKC").split(/\s+/u).filter((each) => LETTER_OR_DIGIT.test(each))) {
    const exact = EXACT.exec(part);
    const between = BETWEEN.exec(part);
    const pair = PAIR.exec(part);
    if (exact !== null) {
      amountFrom = amountTo = exact[1] ?? exact[2] ?? null;
    } else if (between !== null) {
      [amountFrom, amountTo] = [between[1] ?? null, between[2] ?? null];
    } else if (AT_LEAST.test(part)) {
      amountFrom = AT_LEAST.exec(part)?.[1] ?? null;
    } else if (AT_MOST.test(part)) {
      amountTo = AT_MOST.exec(part)?.[1] ?? null;
    } else if (pair !== null) {
      metadata.push({ key: pair[1] ?? "", value: pair[2] ?? "" });
    } else {
      words.push(part);
    }
  }
  return { words: words.length === 0 ? null : words.join(" "), amountFrom, amountTo, metadata, problem: problemOf(words, metadata.length) };
}

/** A word such as "INV-2025/7" counts as three. */
function problemOf(words: readonly string[], pairs: number): string | null {
  const count = words.flatMap((word) => word.split(/[^\p{L}\p{N}\p{M}]+/u)).filter((word) => word !== "").length;
  if (count > MOST_WORDS) {
    return `A search has at most ${MOST_WORDS} words.`;
  }
  return pairs > MOST_PAIRS ? `A search has at most ${MOST_PAIRS} pairs of metadata.` : null;
}
