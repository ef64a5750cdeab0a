import type { Client } from "@urql/core";
import { useCallback, useEffect, useRef, useState } from "react";
import { troubleOf } from "../graphql/client.js";
import type { Money } from "../money/format.js";
import { newKey } from "../paycore-pay/index.js";
import { useAccount } from "../session/AccountContext.js";
import { NO_PRICE, PriceWatch, type Price, type PriceAnswer } from "./priceWatch.js";
import { CREATE_FX_QUOTE } from "./queries.js";

/** A price is asked for what is paid (`source`) or for what arrives (`target`). */
export type Side = "source" | "target";

export interface PriceQuestion {
  readonly from: string;
  readonly to: string;
  readonly side: Side;
  readonly amount: Money;
}

/** Each quote counts for the user's rate limit, so it waits until the user stops typing. */
const PAUSE_MILLISECONDS = 400;

export interface KnownPrice extends Price {
  /** Ask for a price now. */
  readonly again: () => void;
}

/** The price of an exchange, kept fresh while the question is asked and the page is visible. */
export function usePrice(wanted: PriceQuestion | null): KnownPrice {
  const { plain } = useAccount();
  const question = wanted === null ? null : JSON.stringify(wanted);
  const [known, setKnown] = useState<{ readonly question: string; readonly price: Price } | null>(null);
  const watch = useRef<PriceWatch | null>(null);
  useEffect(() => {
    if (question === null) {
      return undefined;
    }
    const asked = JSON.parse(question) as PriceQuestion;
    const own = new PriceWatch(() => askPrice(plain, asked), (price) => setKnown({ question, price }));
    watch.current = own;
    const timer = setTimeout(() => own.start(), PAUSE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      own.stop();
      watch.current = null;
      // The same question later gets a new answer.
      setKnown(null);
    };
  }, [plain, question]);
  const again = useCallback(() => watch.current?.again(), []);
  if (question === null) {
    return { ...NO_PRICE, again };
  }
  return { ...(known?.question === question ? known.price : { ...NO_PRICE, isAsking: true }), again };
}

/** A quote holds nothing and moves nothing, so each question has a key of its own, also after an answer that was lost. */
async function askPrice(client: Client, { from, to, side, amount }: PriceQuestion): Promise<PriceAnswer> {
  const fixed = side === "source" ? { source: amount } : { target: amount };
  const { data, error } = await client.mutation(CREATE_FX_QUOTE, { input: { idempotencyKey: newKey(), from, to, amount: fixed } }).toPromise();
  const payload = data?.createFxQuote;
  if (payload?.quote) {
    return { kind: "quoted", quote: payload.quote };
  }
  const [refusal] = payload?.userErrors ?? [];
  if (refusal !== undefined) {
    return { kind: "refused", refusal };
  }
  return { kind: "failed", trouble: error === undefined ? { code: "INTERNAL", message: "There was no answer.", retryAfterSeconds: null } : troubleOf(error) };
}
