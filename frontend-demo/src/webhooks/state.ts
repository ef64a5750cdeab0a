import { formatMoment } from "../ui/time.js";
import type { Attempt, Delivery } from "./queries.js";

export type DeliveryState = "delivered" | "waiting" | "retrying" | "parked";

/** Parked: its last attempt failed, and nothing but a replay sends it again. */
export function stateOf({ deliveredAt, nextAttemptAt, attempts }: Pick<Delivery, "deliveredAt" | "nextAttemptAt" | "attempts">): DeliveryState {
  if (deliveredAt !== null) {
    return "delivered";
  }
  if (nextAttemptAt === null) {
    return "parked";
  }
  return attempts.length === 0 ? "waiting" : "retrying";
}

/** What a delivery is about, in words. */
export function aboutOf({ event, wallet, sequence }: Pick<Delivery, "event" | "wallet" | "sequence">): string {
  return event === "test" ? "Test" : wallet === null ? event : `Entry ${sequence ?? ""} of ${wallet}`;
}

/** What came of an attempt, such as "200 in 12 ms". */
export function attemptText({ status, error, durationMs }: Pick<Attempt, "status" | "error" | "durationMs">): string {
  return `${status ?? error ?? "no answer"} in ${durationMs} ms`;
}

export function nextText(delivery: Delivery): string | null {
  return stateOf(delivery) === "retrying" && delivery.nextAttemptAt !== null ? `Next attempt ${formatMoment(delivery.nextAttemptAt)}` : null;
}

/** The first field that a subscription document selects. */
export function sourceOf(document: string): string {
  return /\{\s*(?:\w+\s*:\s*)?(\w+)/.exec(document)?.[1] ?? "subscription";
}
