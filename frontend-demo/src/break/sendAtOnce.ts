import type { ResultOf } from "../graphql/tada.js";
import { transferBy, type Attempt } from "../send/attempt.js";
import { TRANSFER, type TransferInput } from "../send/queries.js";
import type { Account } from "../session/account.js";
import { atOnce } from "./atOnce.js";

/** Sends all transfers at once. Calls `onAnswer` for each answer when it arrives, with the index of its input. */
export function sendAtOnce(account: Account, inputs: readonly TransferInput[], onAnswer: (index: number, answer: Attempt) => void): Promise<Attempt[]> {
  const again = transferBy(account.plain);
  const payloadOf = (data: unknown) => (data as ResultOf<typeof TRANSFER>).transfer;
  return atOnce(account, inputs.map((input) => ({ document: TRANSFER, variables: { input }, payloadOf, again, input })), onAnswer);
}
