import type { Row } from "./rows.js";

/** The words of a search, in a form in which "José", "JOSE" and "ｊｏｓｅ" are the same. */
export function wordsOf(search: string): string[] {
  return plain(search).split(/\s+/u).filter((word) => word !== "");
}

/** Whether each word is in the other party's name, the description, the id or the amount. */
export function isFound(row: Row, words: readonly string[]): boolean {
  const { id, counterparty, description, amount, type } = row;
  const text = plain([counterparty, description, id, amount.amount, amount.currency, type].join("\n"));
  return words.every((word) => text.includes(word));
}

function plain(text: string): string {
  return text
    .normalize("NFKD")
    .replaceAll(/\p{Mn}/gu, "")
    .toLowerCase();
}
