/** Watch a Paycore wallet: every entry exactly once and in order, whatever restarts. See README.md. */

export { watchWallet, type WalletWatch, type WatchOptions } from "./client.js";
export { WatchError, type WatchErrorKind } from "./errors.js";
export { walletUpdates, type IterateOptions } from "./iterate.js";
export { LiveSocket, type SocketOptions } from "./socket.js";
export type {
  ConnectionState,
  LedgerEntry,
  Money,
  Party,
  Position,
  Timing,
  Transaction,
  Wallet,
  WalletUpdate,
  WebSocketClass,
} from "./types.js";
