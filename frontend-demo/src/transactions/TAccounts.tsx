import { isZero as isZeroAmount } from "../money/decimal.js";
import { MoneyText } from "../money/Money.js";
import { Icon, To } from "../ui/Icon.js";
import { accountsOf, balancesOf, type Line, type TAccount } from "./accounts.js";
import type { LoadedTransaction } from "./queries.js";

/** Debits and credits as T-accounts: an amount that leaves one account enters another. */
export function TAccounts({ transaction }: { readonly transaction: LoadedTransaction }) {
  const accounts = accountsOf(transaction);
  const rests = balancesOf(accounts);
  const isZero = rests.every(({ amount }) => isZeroAmount(amount));
  // Others' entries of a posting, and the fee wallet's of a reversal, are hidden, so what is seen need not sum to zero.
  const isPartial = (transaction.type === "POSTING" || transaction.type === "REVERSAL") && !isZero;
  return (
    <div className="stack">
      <div className="t-accounts">
        {accounts.map((account) => (
          <Account key={account.walletId} account={account} />
        ))}
      </div>
      {isPartial ? (
        <p className="muted">You see the entries of your own wallets. The others of this transaction are hidden.</p>
      ) : (
        <p className={isZero ? "t-sum t-sum-good" : "t-sum t-sum-bad"}>
          <Icon name={isZero ? "check" : "alert"} />
          <span>
            Credits less debits:{" "}
            {rests.map((rest, index) => (
              <span key={rest.currency}>
                {index > 0 && ", "}
                <MoneyText money={rest} />
              </span>
            ))}
          </span>
        </p>
      )}
    </div>
  );
}

function Account({ account: { name, lines, balances } }: { readonly account: TAccount }) {
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
        {lines.map((line, index) => (
          <tr key={index}>
            <td>{line.direction === "DEBIT" ? <Amount line={line} /> : "–"}</td>
            <td>{line.direction === "CREDIT" ? <Amount line={line} /> : "–"}</td>
          </tr>
        ))}
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

/** The amount, and why it is there if it is not the principal. */
function Amount({ line: { amount, purpose } }: { readonly line: Line }) {
  return (
    <>
      <MoneyText money={amount} />
      {purpose !== "PRINCIPAL" && <small className="muted t-purpose">{purpose === "FX" ? "exchange" : purpose.toLowerCase()}</small>}
    </>
  );
}
