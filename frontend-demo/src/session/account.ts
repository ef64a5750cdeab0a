import type { Client } from "@urql/core";
import { createPageClient, createPlainClient } from "../graphql/client.js";
import { LiveHub } from "../live/hub.js";
import { connection } from "../live/page.js";
import { fetchDemoSession, type DemoUser } from "./demo.js";
import { isFresh, readToken } from "./token.js";

/** A user who is signed in, with the clients that send that user's requests. */
export interface Account {
  readonly subject: string;
  readonly name: string;
  readonly isAdmin: boolean;
  readonly token: () => Promise<string>;
  readonly pages: Client;
  readonly plain: Client;
  readonly live: LiveHub;
}

const accounts = new Map<string, Account>();

/** Returns the same account for each call with the same demo user. A token that is about to expire is replaced. */
export function demoAccount(user: DemoUser): Account {
  const known = accounts.get(user.subject);
  if (known !== undefined) {
    return known;
  }
  let current = user.token;
  const made = account(user.subject, user.display_name, user.role === "admin", async () => {
    if (!isFresh(current)) {
      const session = await fetchDemoSession();
      current = session?.users.find(({ subject }) => subject === user.subject)?.token ?? current;
    }
    return current;
  });
  accounts.set(user.subject, made);
  return made;
}

/** The account of a pasted token. Null if the text is not a token. */
export function tokenAccount(token: string): Account | null {
  const claims = readToken(token);
  return claims === null ? null : account(claims.subject, claims.subject, claims.isAdmin, () => Promise.resolve(token));
}

function account(subject: string, name: string, isAdmin: boolean, token: () => Promise<string>): Account {
  return {
    subject,
    name,
    isAdmin,
    token,
    pages: createPageClient(token),
    plain: createPlainClient(token),
    live: new LiveHub(token, connection),
  };
}
