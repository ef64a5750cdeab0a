import { MoneyText } from "../money/Money.js";
import { Icon, To } from "../ui/Icon.js";
import { accountsOf, balanceOf, type TAccount } from "./accounts.js";
import type { LoadedTransaction } from "./queries.js";

/** Debits and credits as T-accounts: an amount that leaves one account enters another. */
export function TAccounts({ transaction }: { readonly transaction: LoadedTransaction }) {
  const accounts = accountsOf(transaction);
  const rest = balanceOf(accounts);
  const isZero = /^-?0(\.0+)?$/.test(rest);
  return (
    <div className="stack">
      <div className="t-accounts">
        {accounts.map((account) => (
          <Account key={`${account.walletId} ${account.direction}`} account={account} />
        ))}
      </div>
      <p className={isZero ? "t-sum t-sum-good" : "t-sum t-sum-bad"}>
        <Icon name={isZero ? "check" : "alert"} />
        <span>
          Credits less debits: <MoneyText money={{ amount: rest, currency: transaction.amount.currency }} />
        </span>
      </p>
    </div>
  );
}

function Account({ account: { name, direction, amount, balances } }: { readonly account: TAccount }) {
  return (
    <table className="t-account">
      <caption className="truncate">{name}</caption>
      <thead>
        <tr>
          <th scope="col">Debit</th>
          <th scope="col">Credit</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <td>{direction === "DEBIT" ? <MoneyText money={amount} /> : "–"}</td>
          <td>{direction === "CREDIT" ? <MoneyText money={amount} /> : "–"}</td>
        </tr>
      </tbody>
      <tfoot>
        <tr>
          <td colSpan={2}>
            {balances === null ? (
              <span className="muted">You may not see its balance</span>
            ) : (
              <>
                <span className="muted">
                  <MoneyText money={balances.before} /> <To word="then" />{" "}
                </span>
                <strong>
                  <MoneyText money={balances.after} />
                </strong>
              </>
            )}
          </td>
        </tr>
      </tfoot>
    </table>
  );
}
