import { millisecondsBetween, millisecondsOf } from "../ui/time.js";

/** GET /demo/transactions/{id}/life */
export interface Life {
  readonly transaction_id: string;
  readonly accepted_at: string;
  readonly batched_at: string;
  readonly batch_size: number;
  readonly committed_at: string;
  readonly published_at: string | null;
}

export interface Step {
  readonly name: string;
  readonly detail: string;
  /** Milliseconds since the request was accepted. Null if unknown. */
  readonly at: number | null;
}

/** The steps of a transaction. `deliveredAt` is in milliseconds since 1970, by this browser's clock. */
export function stepsOf(life: Life, deliveredAt: number | null): Step[] {
  const since = (time: string | null): number | null => (time === null ? null : millisecondsBetween(life.accepted_at, time));
  return [
    { name: "Accepted", detail: "The request is checked and waits for the next batch.", at: 0 },
    {
      name: life.batch_size === 1 ? "Batch of 1" : `Batch of ${life.batch_size}`,
      detail: "Taken together with all that waited, in one database transaction.",
      at: since(life.batched_at),
    },
    { name: "Committed", detail: "Durable: entries, balances and the outbox, all or nothing.", at: since(life.committed_at) },
    { name: "Published", detail: "The relay handed it from the outbox to Redis.", at: since(life.published_at) },
    {
      name: "Delivered",
      detail: deliveredAt === null ? "It arrived before this page was open, or to someone else." : "The live connection brought it to this browser.",
      at: deliveredAt === null ? null : deliveredAt - millisecondsOf(life.accepted_at),
    },
  ];
}
