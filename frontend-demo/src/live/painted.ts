import { useSyncExternalStore } from "react";

/** The time from commit to screen by entry id, in milliseconds. */
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

/** Undefined until it is measured. */
export function usePainted(entryId: string): number | undefined {
  return useSyncExternalStore(subscribe, () => painted.get(entryId));
}

/** The median of the times measured for these entries. Null if there are none. */
export function useMedian(entryIds: readonly string[]): number | null {
  return useSyncExternalStore(subscribe, () => {
    const taken = entryIds.flatMap((id) => painted.get(id) ?? []).sort((a, b) => a - b);
    return taken[Math.floor(taken.length / 2)] ?? null;
  });
}
