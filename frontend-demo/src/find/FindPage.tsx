import "./find.css";
import { useState, type SyntheticEvent } from "react";
import { useLocation, useSearch } from "wouter";
import { AdminOnly } from "../control/AdminOnly.js";
import { HOLD } from "../holds/queries.js";
import { Operations } from "../operations/Operations.js";
import { operationOf, type Operation } from "../operations/link.js";
import { soughtIn } from "../palette/search.js";
import { Icon } from "../ui/Icon.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import { useTitle } from "../ui/title.js";
import { HoldById, TransactionById, WalletById } from "./ById.js";
import { Transactions } from "./Transactions.js";
import { Users } from "./Users.js";
import { UserView } from "./UserView.js";
import { Wallets } from "./Wallets.js";
import { FIND_TRANSACTION, FIND_TRANSACTIONS, FIND_USERS, FIND_WALLET, FIND_WALLETS } from "./queries.js";

/** Users, wallets and transactions with a search, for administrators. What is sought is in the page's address. */
export function FindPage() {
  const text = new URLSearchParams(useSearch()).get("q")?.trim() ?? "";
  return (
    <AdminOnly title="The search">
      <Search text={text} />
    </AdminOnly>
  );
}

/** A user with all their wallets, for administrators. */
export function FoundUserPage({ id }: { readonly id: string }) {
  return (
    <AdminOnly title="The search">
      <UserView id={id} />
    </AdminOnly>
  );
}

function Search({ text }: { readonly text: string }) {
  useTitle(text === "" ? "Find" : `Find ${text}`);
  const { id } = soughtIn(text);
  return (
    <div className="stack-large">
      <h1>Find</h1>
      <SearchForm text={text} />
      {id?.startsWith("wal_") === true && <WalletById id={id} />}
      {id?.startsWith("hld_") === true && <HoldById id={id} />}
      {(id?.startsWith("txn_") === true || id?.startsWith("ent_") === true) && <TransactionById id={id} />}
      {(id === null || id.startsWith("usr_")) && <Lists key={text} search={id ?? (text === "" ? null : text)} isId={id !== null} />}
      <Operations operations={operationsFor(id, text)} />
    </div>
  );
}

function Lists({ search, isId }: { readonly search: string | null; readonly isId: boolean }) {
  return (
    <div className="find-grid">
      <Users search={search} />
      <div className="stack-large">
        {search === null && <Wallets />}
        {!isId && <Transactions reference={search} />}
      </div>
    </div>
  );
}

function operationsFor(id: string | null, text: string): readonly Operation[] {
  if (id !== null && !id.startsWith("usr_")) {
    if (id.startsWith("hld_")) {
      return [operationOf(HOLD, { id })];
    }
    return [id.startsWith("wal_") ? operationOf(FIND_WALLET, { id }) : operationOf(FIND_TRANSACTION, { id })];
  }
  const search = text === "" ? null : text;
  return [operationOf(FIND_USERS, { search: id ?? search }), operationOf(FIND_TRANSACTIONS, { reference: search }), operationOf(FIND_WALLETS, {})];
}

function SearchForm({ text }: { readonly text: string }) {
  const [, navigate] = useLocation();
  // What was typed for the present address. Another address, such as after Back, has its own text.
  const [typed, setTyped] = useState({ at: text, value: text });
  const value = typed.at === text ? typed.value : text;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const sought = value.trim();
    setTyped({ at: sought, value: sought });
    navigate(sought === "" ? "/find" : `/find?q=${encodeURIComponent(sought)}`);
  };
  return (
    <form role="search" className="card find-form" onSubmit={submit}>
      <label htmlFor="find">A user, a wallet or a transaction</label>
      <input id="find" className="input" maxLength={lengthLimit(255)} spellCheck={false} autoComplete="off" aria-describedby="find-hint" value={value} onChange={(event) => setTyped({ at: text, value: event.target.value })} />
      <button type="submit" className="button button-primary">
        <Icon name="search" /> Find
      </button>
      <p id="find-hint" className="muted">
        The start of a name, the subject of a token, an id, or a transaction’s reference. To find a transaction by its idempotency key, open the user who made it.
      </p>
    </form>
  );
}
