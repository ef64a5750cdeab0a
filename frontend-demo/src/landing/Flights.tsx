import { useSyncExternalStore } from "react";
import { MoneyText } from "../money/Money.js";
import type { Stage } from "./stage.js";

/** Amounts that fly from phone to phone. For the eye only: the phones say the same in words. */
export function Flights({ stage }: { readonly stage: Stage }) {
  const { flights } = useSyncExternalStore(stage.subscribe, () => stage.state);
  return (
    <div className="flights" aria-hidden="true">
      {flights.map(({ entryId, amount, isRightward }) => (
        <span key={entryId} className={isRightward ? "flight flight-rightward" : "flight"} onAnimationEnd={() => stage.landed(entryId)}>
          <MoneyText money={amount} />
        </span>
      ))}
    </div>
  );
}
