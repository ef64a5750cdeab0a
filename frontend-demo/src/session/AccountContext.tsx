import { createContext, use, type ReactNode } from "react";
import { Provider } from "urql";
import type { Account } from "./account.js";

const AccountContext = createContext<Account | null>(null);

/** Components inside use the service as this account. */
export function AccountProvider({ account, children }: { readonly account: Account; readonly children: ReactNode }) {
  return (
    <AccountContext value={account}>
      <Provider value={account.pages}>{children}</Provider>
    </AccountContext>
  );
}

export function useAccount(): Account {
  const account = use(AccountContext);
  if (account === null) {
    throw new Error("useAccount() needs an AccountProvider around it.");
  }
  return account;
}
