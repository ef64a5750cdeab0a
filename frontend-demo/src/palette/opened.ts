/** The wallets and transactions whose pages somebody opened in this tab, newest first. */

const MOST_KEPT = 8;
const PAGE = /^\/(?:wallets|transactions)\/((?:wal|txn)_[0-9a-z]{26})$/;

/** Keep it, if it is the page of a wallet or a transaction. */
export function rememberOpened(subject: string, path: string): void {
  const id = PAGE.exec(path)?.[1];
  if (id !== undefined) {
    const others = openedBy(subject).filter((other) => other !== id);
    sessionStorage.setItem(slot(subject), JSON.stringify([id, ...others].slice(0, MOST_KEPT)));
  }
}

export function openedBy(subject: string): readonly string[] {
  const kept: unknown = JSON.parse(sessionStorage.getItem(slot(subject)) ?? "[]");
  return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
}

function slot(subject: string): string {
  return `paycore.opened.${subject}`;
}
