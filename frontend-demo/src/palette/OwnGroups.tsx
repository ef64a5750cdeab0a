import { CommandGroup } from "cmdk";
import { useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { MoneyText } from "../money/Money.js";
import type { Account } from "../session/account.js";
import { useOwnWallets } from "../wallets/useOwnWallets.js";
import { Entry } from "./Entry.js";
import { openedBy } from "./opened.js";
import { peopleOf } from "./people.js";
import { RECENT, type Opened } from "./queries.js";
import { pageOf } from "./search.js";

interface OwnGroupsProps {
  readonly account: Account;
  readonly onGo: (path: string) => void;
}

/** What somebody opened lately, their wallets, and whom they may pay again. */
export function OwnGroups({ account, onGo }: OwnGroupsProps) {
  const [opened] = useState(() => openedBy(account.subject));
  const { data } = useAnswer({ query: RECENT, variables: { opened: [...opened] } });
  const { wallets } = useOwnWallets();
  const recent = data?.nodes.filter((node) => node?.__typename === "Wallet" || node?.__typename === "Transaction") ?? [];
  const isRecent = new Set(recent.map(({ id }) => id));
  const others = wallets?.filter(({ id }) => !isRecent.has(id)) ?? [];
  const people = data === undefined || account.isAdmin ? [] : peopleOf(data.viewer);
  return (
    <>
      {recent.length > 0 && (
        <CommandGroup heading="Opened lately">
          {recent.map((node) => (
            <Recent key={node.id} node={node} onGo={onGo} />
          ))}
        </CommandGroup>
      )}
      {others.length > 0 && (
        <CommandGroup heading="Wallets">
          {others.map(({ id, name, currency }) => (
            <Entry key={id} value={id} words={`${name} ${currency} wallet`} icon="wallet" onSelect={() => onGo(`/wallets/${id}`)}>
              {name} <span className="muted">{currency}</span>
            </Entry>
          ))}
        </CommandGroup>
      )}
      {!account.isAdmin && wallets !== null && wallets.length > 0 && (
        <CommandGroup heading="Statements">
          {wallets.map(({ id, name, currency }) => (
            <Entry key={id} value={`statements ${id}`} words={`Statements ${name} ${currency}`} icon="file" onSelect={() => onGo(`/wallets/${id}/statements`)}>
              Statements of {name} <span className="muted">{currency}</span>
            </Entry>
          ))}
        </CommandGroup>
      )}
      {people.length > 0 && (
        <CommandGroup heading="People">
          {people.map(({ walletId, displayName, currency, from }) => (
            <Entry key={walletId} value={`pay ${walletId}`} words={`Pay ${displayName} ${currency}`} icon="send" onSelect={() => onGo(`/send?from=${from}&to=${walletId}`)}>
              Pay {displayName} <span className="muted">{currency}</span>
            </Entry>
          ))}
        </CommandGroup>
      )}
    </>
  );
}

function Recent({ node, onGo }: { readonly node: Opened; readonly onGo: (path: string) => void }) {
  const open = (): void => onGo(pageOf(node));
  if (node.__typename === "Wallet") {
    const { id, name, currency, owner } = node;
    return (
      <Entry value={id} words={`${name} ${currency} wallet ${owner?.displayName ?? ""}`} icon="wallet" onSelect={open}>
        {name} <span className="muted">{currency}</span>
      </Entry>
    );
  }
  const { id, amount, sender, receiver } = node;
  const [from, to] = [sender?.displayName ?? "several", receiver?.displayName ?? "several"];
  return (
    <Entry value={id} words={`${from} ${to} ${amount.amount} ${amount.currency} payment`} icon="repeat" onSelect={open}>
      <MoneyText money={amount} />{" "}
      <span className="muted">
        {from} → {to}
      </span>
    </Entry>
  );
}
