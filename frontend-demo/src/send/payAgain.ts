import type { Row } from "../activity/rows.js";
import { typedAmount } from "../money/input.js";
import type { Draft } from "./draft.js";

/**
 * The state of the browser's history entry of the Send page, if it is opened to pay again. It is not a part of the address,
 * so a link from outside cannot fill in a recipient under a false name.
 */
interface PayAgain {
  readonly payAgain: Draft;
}

export function stateOfPayAgain({ counterparty, counterpartyWalletId, amount, otherAmount, description }: Row, walletId: string): PayAgain {
  return {
    payAgain: {
      walletId,
      party:
        counterpartyWalletId === null
          ? null
          : { walletId: counterpartyWalletId, displayName: counterparty ?? counterpartyWalletId, currency: (otherAmount ?? amount).currency },
      amount: typedAmount(amount.amount),
      side: "source",
      note: description ?? "",
    },
  };
}

/** The draft in the state of a history entry. Null if it has none. */
export function draftOfState(state: unknown): Draft | null {
  const isGiven = typeof state === "object" && state !== null && "payAgain" in state;
  return isGiven ? (state as PayAgain).payAgain : null;
}
