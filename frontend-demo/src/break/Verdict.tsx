import type { ReactNode } from "react";
import { Icon } from "../ui/Icon.js";

interface VerdictProps {
  /** Null while it is too early to say. */
  readonly holds: boolean | null;
  readonly children: ReactNode;
}

/** Shows whether an experiment's guarantee held. */
export function Verdict({ holds, children }: VerdictProps) {
  const tone = holds === null ? "waiting" : holds ? "good" : "bad";
  return (
    <p className={`verdict verdict-${tone}`} role="status">
      <Icon name={holds === null ? "activity" : holds ? "check" : "alert"} />
      <span>{children}</span>
    </p>
  );
}
