import type { Client } from "@urql/core";
import { vi } from "vitest";
import type { TransferPreview } from "../../src/send/queries.js";
import type { Account } from "../../src/session/account.js";

type Listener = (result: { readonly data?: { readonly previewTransfer: TransferPreview } }) => void;

/** Answers to previews: each question waits until the test answers it. */
export class Previews {
  readonly inputs: { readonly idempotencyKey: string; readonly amount: { readonly amount: string } }[] = [];
  readonly unsubscribe = vi.fn();
  readonly #listeners: Listener[] = [];

  readonly query = (_: unknown, { input }: { readonly input: Previews["inputs"][number] }) => {
    this.inputs.push(input);
    return {
      subscribe: (listener: Listener) => {
        this.#listeners.push(listener);
        return { unsubscribe: this.unsubscribe };
      },
    };
  };

  /** To the newest question; without a preview it failed, as if the rate limit were reached. */
  answer(preview?: TransferPreview): void {
    this.#listeners.at(-1)?.(preview === undefined ? {} : { data: { previewTransfer: preview } });
  }
}

export const NO_PREVIEW = new Previews();

export function accountWith(previews: Previews): Account {
  const client = { query: previews.query } as unknown as Client;
  return { subject: "alice", name: "Alice", isAdmin: false, pages: client, plain: client } as Account;
}
