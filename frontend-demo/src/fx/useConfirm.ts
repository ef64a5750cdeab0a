import { useState } from "react";
import { isOpen, isUnread } from "./priceWatch.js";
import type { Quote } from "./queries.js";
import type { KnownPrice } from "./usePrice.js";

export const PRICE_IS_OVER = "The time of the price was over. Look at the new one, then confirm it.";
export const PRICE_HAS_CHANGED = "The price changed at this moment. Look at it, then confirm it.";

/** Takes exactly the price that is shown. One that is over or that nobody can have read is not taken, and `notice` says so. */
export function useConfirm(price: KnownPrice) {
  const [notice, setNotice] = useState<string | null>(null);
  const confirm = (take: (quote: Quote) => void): void => {
    const { offer } = price;
    if (!isOpen(offer)) {
      // Without an offer the page says what it waits for.
      setNotice(offer === null ? null : PRICE_IS_OVER);
      price.again();
    } else if (isUnread(offer)) {
      setNotice(PRICE_HAS_CHANGED);
    } else {
      setNotice(null);
      take(offer.quote);
    }
  };
  return { notice, confirm, forget: () => setNotice(null) };
}
