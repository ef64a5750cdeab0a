import { useState, type AnimationEvent } from "react";
import { prefersStillness } from "../ui/motion.js";

/** Letters that run from right to left put the parts of an amount in an order of their own. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f]/;
const DIGITS = /\p{Nd}/gu;

/**
 * Lies over an amount for a moment after it changed and rolls the digits that differ. The amount itself stays as it is, for
 * screen readers and to be copied: what rolls is drawn by CSS and has no text.
 */
export function RollingDigits({ text }: { readonly text: string }) {
  const [{ shown, before }, setShown] = useState<{ readonly shown: string; readonly before: string | null }>({ shown: text, before: null });
  if (text !== shown) {
    setShown({ shown: text, before: canRoll(shown, text) && !prefersStillness() ? shown : null });
  }
  if (before === null) {
    return null;
  }
  const end = ({ target, currentTarget }: AnimationEvent): void => {
    if (target === currentTarget) {
      setShown({ shown, before: null });
    }
  };
  return (
    <span key={shown} className={shown > before ? "reels" : "reels reels-fall"} aria-hidden="true" onAnimationEnd={end}>
      {Array.from(shown, (character, index) => {
        const old = before[index];
        return <span key={index} className={character === old ? "reel" : "reel reel-rolls"} data-to={character} data-from={old} />;
      })}
    </span>
  );
}

/** Only digits differ, each in its place. */
function canRoll(before: string, after: string): boolean {
  return before.replaceAll(DIGITS, "0") === after.replaceAll(DIGITS, "0") && !RIGHT_TO_LEFT.test(after);
}
