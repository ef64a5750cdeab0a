/** Pay with Paycore: once, whatever restarts. See README.md. */

export { answerOf, attempt, endsIntent, isWorthRepeating, pauseAfter, settle, type SettleOptions } from "./attempt.js";
export { transferOver, type HttpOptions } from "./http.js";
export { PaymentIntent, type IntentOptions, type PaymentState } from "./intent.js";
export { newKey } from "./key.js";
export { memoryStorage, OpenPayments, type KeyStorage } from "./store.js";
export {
  TransferError,
  type Attempt,
  type Money,
  type Payload,
  type Refusal,
  type Timing,
  type Transaction,
  type Transfer,
  type TransferInput,
  type TransferPayload,
  type Trouble,
  type Wanted,
} from "./types.js";
