import { useEffect, useState } from "react";
import { watchWallet, type ConnectionState, type LiveSocket, type Position, type Wallet, type WalletUpdate, type WatchError } from "../paycore-live/index.js";

export interface LiveWallet {
  /** Null until the first update. While it is offline, the last that is known. */
  readonly wallet: Wallet | null;
  readonly connection: ConnectionState;
  /** Why it ended by itself; null while it goes on. */
  readonly ended: WatchError | null;
}

export interface UseWalletOptions {
  /** One for all wallets of a user: give the same at each render. */
  readonly socket: LiveSocket;
  readonly walletId: string;
  /** Called with each update, for a list of entries. Give the same function at each render, or the watch begins anew from `after`. */
  readonly onUpdate?: (update: WalletUpdate) => void;
  /** Where to begin; only its first value counts for a wallet. Without it: from the present. */
  readonly after?: Position;
}

const NOTHING: LiveWallet = { wallet: null, connection: "connecting", ended: null };

/** A wallet as it is now, for as long as the component is there. */
export function useWallet({ socket, walletId, onUpdate, after }: UseWalletOptions): LiveWallet {
  const [live, setLive] = useState<LiveWallet & { readonly of: string }>({ ...NOTHING, of: walletId });
  const [begin] = useState({ walletId, after });
  useEffect(() => {
    const enter = (change: Partial<LiveWallet>): void =>
      setLive((before) => ({ ...(before.of === walletId ? before : NOTHING), ...change, of: walletId }));
    const start = begin.walletId === walletId ? begin.after : undefined;
    const watch = watchWallet({
      socket,
      walletId,
      ...(start === undefined ? {} : { after: start }),
      onUpdate: (update) => {
        enter({ wallet: update.wallet });
        onUpdate?.(update);
      },
      onState: (connection) => enter({ connection }),
      onEnd: (ended) => enter({ ended }),
    });
    return () => watch.stop();
  }, [socket, walletId, onUpdate, begin]);
  return live.of === walletId ? live : NOTHING;
}
