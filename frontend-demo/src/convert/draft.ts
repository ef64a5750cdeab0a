import type { PriceQuestion, Side } from "../fx/usePrice.js";
import { parseAmount, type AmountInput } from "../money/input.js";
import type { WalletSummary } from "../wallets/queries.js";

/** The values of the form. */
export interface ConvertDraft {
  /** Null for the wallet that the page was opened with. */
  readonly sourceId: string | null;
  readonly targetId: string | null;
  /** Which amount was typed. The price says the other one. */
  readonly side: Side;
  /** As it was typed. */
  readonly amount: string;
}

export const EMPTY: ConvertDraft = { sourceId: null, targetId: null, side: "source", amount: "" };

export interface Pair {
  readonly source: WalletSummary;
  readonly target: WalletSummary;
  /** What can be chosen for each side. */
  readonly sources: readonly WalletSummary[];
  readonly targets: readonly WalletSummary[];
}

/** The two wallets: as chosen, else the first that can be exchanged. Null without active wallets in two currencies. */
export function pairOf({ sourceId, targetId }: ConvertDraft, wallets: readonly WalletSummary[], requested: string | null): Pair | null {
  const sources = wallets.filter(({ status }) => status === "ACTIVE");
  const source = sources.find(({ id }) => id === (sourceId ?? requested)) ?? sources[0];
  const targets = sources.filter(({ currency }) => currency !== source?.currency);
  const target = targets.find(({ id }) => id === targetId) ?? targets[0];
  return source === undefined || target === undefined ? null : { source, target, sources, targets };
}

/** The two wallets change places, and the typed amount stays with its currency. */
export function swapped(draft: ConvertDraft, { source, target }: Pair): ConvertDraft {
  return { ...draft, sourceId: target.id, targetId: source.id, side: draft.side === "source" ? "target" : "source" };
}

/** What was typed, in the currency of its side. */
export function parsedOf({ side, amount }: ConvertDraft, pair: Pair, exponent: number): AmountInput {
  return parseAmount(amount, { currency: pair[side].currency, exponent });
}

/** The price to ask for. Null while the amount cannot be read. */
export function questionOf({ side }: ConvertDraft, pair: Pair, parsed: AmountInput): PriceQuestion | null {
  const { source, target } = pair;
  return parsed.ok ? { from: source.currency, to: target.currency, side, amount: { amount: parsed.amount, currency: pair[side].currency } } : null;
}
