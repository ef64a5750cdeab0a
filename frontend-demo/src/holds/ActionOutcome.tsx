import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { Icon } from "../ui/Icon.js";
import { OutcomeBox } from "../ui/OutcomeBox.js";
import type { HoldActionState } from "./useHoldAction.js";

interface ActionOutcomeProps {
  readonly state: HoldActionState;
  readonly onRetry: () => void;
  readonly onDone: () => void;
}

/** What came of a capture or a release. */
export function ActionOutcome({ state, onRetry, onDone }: ActionOutcomeProps) {
  return (
    <OutcomeBox state={state} onRetry={onRetry} onDone={onDone} takesFocus>
      <Words state={state} />
    </OutcomeBox>
  );
}

function Words({ state }: { readonly state: HoldActionState }) {
  if (state.phase === "draft") {
    return state.trouble === null ? null : <p className="field-problem">Nothing was changed. {state.trouble.message}</p>;
  }
  const { amount, description: action } = state.input;
  const isRelease = action === "release";
  switch (state.phase) {
    case "sending":
      return (
        <p>
          {isRelease ? "Releasing" : "Capturing"} <MoneyText money={amount} />
          {state.tries > 1 ? `; try ${state.tries}, with the same key` : ""}…
        </p>
      );
    case "unknown":
      return (
        <p>
          <Icon name="alert" /> It is not known yet whether <MoneyText money={amount} /> was {isRelease ? "released" : "captured"}. {state.trouble.message} Sending
          it again with the same key is safe.{state.retryAt === null ? "" : " This page tries again by itself."}
        </p>
      );
    case "settled":
      return (
        <p>
          <Icon name="check" /> <MoneyText money={amount} /> {isRelease ? "released" : "captured"}
          {state.replayed ? ". This is the first answer again; nothing happened twice." : "."}
          {action === "capture-and-keep" && " The rest stays held."}{" "}
          {!isRelease && <Link href={`/transactions/${state.transaction.id}`}>See the transaction</Link>}
        </p>
      );
    case "refused":
      return <p className="field-problem">Refused: nothing moved. {state.refusals.map(refusalText).join(" ")}</p>;
  }
}
