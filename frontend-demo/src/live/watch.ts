import { WATCH_DOCUMENT } from "../paycore-live/updates.js";
import type { Operation } from "../operations/link.js";

/** The subscription behind every live balance. */
export function watchOperation(walletId: string): Operation {
  return { query: WATCH_DOCUMENT.replaceAll(/^ {2}/gm, "").trim(), variables: { walletId } };
}
