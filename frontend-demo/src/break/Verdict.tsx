import type { ReactNode } from "react";
import { Icon } from "../ui/Icon.js";

/** Whether what must hold did hold. */
export function Verdict({ holds, children }: { readonly holds: boolean; readonly children: ReactNode }) {
  return (
    <p className={holds ? "verdict verdict-good" : "verdict verdict-bad"} role="status">
      <Icon name={holds ? "check" : "alert"} />
      <span>{children}</span>
    </p>
  );
}
