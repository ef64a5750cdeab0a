import type { CombinedError } from "@urql/core";
import { useCallback, useRef, useState } from "react";
import { troubleOf } from "../graphql/client.js";
import type { Account } from "../session/account.js";
import { FIND_BY_ID, FIND_BY_KEY } from "./queries.js";
import { pageOf, type Sought } from "./search.js";

export interface Lookup {
  /** What is said of the last search; empty while there is none. */
  readonly message: string;
  readonly find: (account: Account, sought: Sought) => void;
  /** Forget the last search: what it was for has changed. */
  readonly reset: () => void;
}

/** Looks up what an id or a key names, and opens its page. What the viewer may not see is not found. */
export function useLookup(onGo: (path: string) => void): Lookup {
  const [message, setMessage] = useState("");
  const latest = useRef(0);
  const look = async (account: Account, sought: Sought): Promise<void> => {
    const number = ++latest.current;
    setMessage("Looking it up…");
    const { path, error } = await pathOf(account, sought);
    if (number !== latest.current) {
      return;
    }
    if (path !== null) {
      onGo(path);
    } else if (error !== undefined) {
      setMessage(troubleOf(error).message);
    } else {
      setMessage(sought.id === null ? `${account.name} has made no payment with this key.` : `There is nothing with this id that ${account.name} may see.`);
    }
  };
  const reset = useCallback(() => {
    latest.current += 1;
    setMessage("");
  }, []);
  return { message, find: (account, sought) => void look(account, sought), reset };
}

interface Answered {
  readonly path: string | null;
  readonly error: CombinedError | undefined;
}

/** As an id first: a text in the form of an id may be somebody's key, but hardly ever is. */
async function pathOf({ plain, isAdmin }: Account, { id, key }: Sought): Promise<Answered> {
  if (id !== null) {
    const { data, error } = await plain.query(FIND_BY_ID, { id }).toPromise();
    const node = data?.node;
    // Webhooks have no page, and no form of id that is sought.
    if (node && node.__typename !== "WebhookEndpoint" && node.__typename !== "WebhookDelivery") {
      return { path: pageOf(node, isAdmin), error };
    }
    if (error !== undefined) {
      return { path: null, error };
    }
  }
  if (key === null) {
    return { path: null, error: undefined };
  }
  const { data, error } = await plain.query(FIND_BY_KEY, { key }).toPromise();
  const transaction = data?.transactionByIdempotencyKey;
  return { path: transaction ? `/transactions/${transaction.id}` : null, error };
}
