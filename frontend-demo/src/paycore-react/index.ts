/** React hooks for paycore-pay and paycore-live. See README.md. */

export { usePayment } from "./usePayment.js";
export { useWallet, type LiveWallet, type UseWalletOptions } from "./useWallet.js";
