import { newest, useFeed } from "../live/hooks.js";
import { MoneyText } from "../money/Money.js";
import type { WalletSummary } from "../wallets/queries.js";

/** A wallet's live balance. */
export function LiveBalance({ wallet }: { readonly wallet: WalletSummary }) {
  const { balance } = newest(wallet, useFeed(wallet));
  return <MoneyText money={balance} />;
}
