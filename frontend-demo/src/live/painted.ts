import { useSyncExternalStore } from "react";

/** How long entries took from the ledger's commit to this screen, in milliseconds, by entry id. */
const painted = new Map<string, number>();
const listeners = new Set<() => void>();
const MOST_REMEMBERED = 2_000;

export function rememberPainted(entryId: string, milliseconds: number): void {
  if (painted.size >= MOST_REMEMBERED) {
    painted.clear();
  }
  painted.set(entryId, milliseconds);
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Undefined until it was measured. */
export function usePainted(entryId: string): number | undefined {
  return useSyncExternalStore(subscribe, () => painted.get(entryId));
}

/** The middle one of what was measured for these entries; null before the first. */
export function useMedian(entryIds: readonly string[]): number | null {
  return useSyncExternalStore(subscribe, () => {
    const taken = entryIds.flatMap((id) => painted.get(id) ?? []).sort((a, b) => a - b);
    return taken[Math.floor(taken.length / 2)] ?? null;
  });
}
