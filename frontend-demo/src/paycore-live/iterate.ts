import { watchWallet, type WatchOptions } from "./client.js";
import type { WatchError } from "./errors.js";
import type { WalletUpdate } from "./types.js";

/** Those of a watch; the loop takes the place of its callbacks. */
export type IterateOptions = WithoutCallbacks<WatchOptions> & LoopOptions;

type WithoutCallbacks<Options> = Options extends unknown ? Omit<Options, "onUpdate" | "onEnd"> : never;

interface LoopOptions {
  /** Ends the loop from outside, also while it waits. */
  readonly signal?: AbortSignal;
  /** Updates that wait for the loop. When it is so far behind, the connection is closed until it has caught up. */
  readonly buffer?: number;
}

/**
 * The updates of a wallet as an async iterator: `for await (const update of walletUpdates({ … }))`.
 *
 * It connects with the first step, ends when the loop is left or the signal is given, and throws the WatchError where
 * the watch ends by itself.
 */
export async function* walletUpdates(options: IterateOptions): AsyncGenerator<WalletUpdate, void, undefined> {
  const { signal, buffer = 1000 } = options;
  const waiting: WalletUpdate[] = [];
  let failure = null as WatchError | null;
  let isFull = false;
  let wake = (): void => undefined;
  const wakeUp = (): void => wake();
  const watch = watchWallet({
    ...options,
    onUpdate: (update) => {
      if (waiting.push(update) >= buffer) {
        isFull = true;
        watch.pause();
      }
      wake();
    },
    onEnd: (error) => {
      failure = error;
      wake();
    },
  });
  signal?.addEventListener("abort", wakeUp);
  try {
    while (signal?.aborted !== true) {
      const update = waiting.shift();
      if (update !== undefined) {
        yield update;
      } else if (failure !== null) {
        throw failure;
      } else {
        const woken = new Promise<void>((resolve) => (wake = resolve));
        if (isFull) {
          isFull = false;
          watch.resume();
        }
        await woken;
      }
    }
  } finally {
    signal?.removeEventListener("abort", wakeUp);
    watch.stop();
  }
}
