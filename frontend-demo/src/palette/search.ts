/** What a typed text may name. */
export interface Sought {
  /** An id of the service; it may be part of an address. */
  readonly id: string | null;
  /** An idempotency key: visible ASCII of any form, so an id may be one too. */
  readonly key: string | null;
}

const ID = /\b(?:usr|wal|txn|ent|hld|fxq|stm)_[0-9a-z]{26}\b/i;
const KEY = /^[\x21-\x7e]{1,255}$/;

export function soughtIn(text: string): Sought {
  const typed = text.trim();
  return { id: ID.exec(typed)?.[0].toLowerCase() ?? null, key: KEY.test(typed) ? typed : null };
}

/** From 0, where a word that was typed is missing, to 1, where they are what the command starts with. */
export function scoreOf(command: string, text: string): number {
  const [sought, whole] = [plain(text), plain(command)];
  if (whole.startsWith(sought)) {
    return 1;
  }
  const words = whole.split(" ");
  return sought.split(" ").every((part) => words.some((word) => word.startsWith(part))) ? 0.8 : sought.split(" ").every((part) => whole.includes(part)) ? 0.5 : 0;
}

/** Without case, accents and double spaces, which people leave out. */
function plain(text: string): string {
  return text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase().replaceAll(/\s+/g, " ").trim();
}

export type Found =
  | { readonly __typename: "Wallet" | "Transaction" | "Hold" | "User" | "FeeSchedule"; readonly id: string }
  | { readonly __typename: "LedgerEntry"; readonly id: string; readonly transaction: { readonly id: string } }
  | { readonly __typename: "Statement"; readonly id: string; readonly wallet: { readonly id: string } }
  | { readonly __typename: "FxQuote"; readonly id: string; readonly usedBy: { readonly id: string } | null };

/** The page that shows it. Only administrators have a page of a user; others can only find themselves, and their wallets have one. */
export function pageOf(found: Found, isAdmin = false): string {
  switch (found.__typename) {
    case "Wallet":
      return `/wallets/${found.id}`;
    case "Transaction":
      return `/transactions/${found.id}`;
    case "Hold":
      return `/holds/${found.id}`;
    case "LedgerEntry":
      return `/transactions/${found.transaction.id}`;
    case "Statement":
      return `/wallets/${found.wallet.id}/statements`;
    case "User":
      return isAdmin ? `/find/${found.id}` : "/wallets";
    case "FxQuote":
      return found.usedBy === null ? "/convert" : `/transactions/${found.usedBy.id}`;
    case "FeeSchedule":
      return "/control";
  }
}
