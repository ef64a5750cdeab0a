import "../holds/holds.css";
import { useAnswer } from "../graphql/useAnswer.js";
import { HoldRow } from "../holds/HoldRow.js";
import { HOLD } from "../holds/queries.js";
import { TransactionRows } from "./TransactionRows.js";
import { WalletRows } from "./WalletRows.js";
import { Found, NoPage, Nothing } from "./paging.js";
import { FIND_TRANSACTION, FIND_WALLET } from "./queries.js";

/** The wallet with an id. */
export function WalletById({ id }: { readonly id: string }) {
  const { data, error, again } = useAnswer({ query: FIND_WALLET, variables: { id } });
  return (
    <Found id="found-wallets" title="Wallet">
      {data === undefined && <NoPage error={error} again={again} label="Looking it up" />}
      {data?.wallet === null && <Nothing>No wallet has this id.</Nothing>}
      {data?.wallet && <WalletRows wallets={[data.wallet]} label="Wallets" showsOwner />}
    </Found>
  );
}

/** The transaction with an id, or that of the entry with the id. */
export function TransactionById({ id }: { readonly id: string }) {
  const { data, error, again } = useAnswer({ query: FIND_TRANSACTION, variables: { id } });
  const node = data?.node;
  const transaction = node?.__typename === "Transaction" ? node : node?.__typename === "LedgerEntry" ? node.transaction : null;
  return (
    <Found id="found-transactions" title={id.startsWith("ent_") ? "The entry’s transaction" : "Transaction"}>
      {data === undefined && <NoPage error={error} again={again} label="Looking it up" />}
      {data !== undefined && transaction === null && <Nothing>No transaction and no entry has this id.</Nothing>}
      {transaction !== null && <TransactionRows transactions={[transaction]} label="Transactions" />}
    </Found>
  );
}

/** The hold with an id, as its payer sees it. */
export function HoldById({ id }: { readonly id: string }) {
  const { data, error, again } = useAnswer({ query: HOLD, variables: { id } });
  return (
    <Found id="found-holds" title="Hold">
      {data === undefined && <NoPage error={error} again={again} label="Looking it up" />}
      {data?.hold === null && <Nothing>No hold has this id.</Nothing>}
      {data?.hold && (
        <ul className="hold-list found-hold">
          <HoldRow hold={data.hold} status={data.hold.status} isIncoming={false} />
        </ul>
      )}
    </Found>
  );
}
