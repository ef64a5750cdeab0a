import { newest, useFeed } from "../live/hooks.js";
import { MoneyText } from "../money/Money.js";
import type { WalletSummary } from "../wallets/queries.js";

/** A wallet's balance, as it is now. */
export function LiveBalance({ wallet }: { readonly wallet: WalletSummary }) {
  const { balance } = newest(wallet, useFeed(wallet));
  return <MoneyText money={balance} />;
}
