import { useCallback, useState } from "react";
import { CannotCheck, check, type Proved, type Step } from "./verify.js";

export type Outcome =
  | { readonly kind: "proved"; readonly proved: Proved }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "cannot"; readonly reason: string };

export interface Verification {
  readonly steps: readonly Step[];
  /** Null while it runs. */
  readonly outcome: Outcome | null;
}

/** Check a receipt in this browser. Never throws. */
export async function verification(receipt: string, key: string): Promise<Verification & { readonly outcome: Outcome }> {
  const steps: Step[] = [];
  try {
    return { steps, outcome: { kind: "proved", proved: await check(receipt, key, (step) => steps.push(step)) } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { steps, outcome: { kind: error instanceof CannotCheck ? "cannot" : "refused", reason } };
  }
}

/** Null before it was asked for. */
export function useVerification(): { readonly found: Verification | null; readonly verify: (receipt: string, key: string) => void } {
  const [found, setFound] = useState<Verification | null>(null);
  const verify = useCallback((receipt: string, key: string) => {
    setFound({ steps: [], outcome: null });
    void verification(receipt, key).then(setFound);
  }, []);
  return { found, verify };
}
