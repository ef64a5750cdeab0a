import { Fragment } from "react";
import { chargeText } from "../fees/charge.js";
import { MoneyText } from "../money/Money.js";
import { CopyableId } from "../ui/Copy.js";
import { formatExact } from "../ui/time.js";
import type { WalletSummary } from "../wallets/queries.js";
import { LiveBalance } from "./LiveBalance.js";
import type { SentTransaction, TransferInput } from "./queries.js";

interface ReceiptProps {
  readonly input: TransferInput;
  readonly wallet: WalletSummary | undefined;
  /** Null until the payment is made. */
  readonly transaction: SentTransaction | null;
}

/** What was paid, from which wallet, to whom and when. If nothing was paid, only the wallet's balance. */
export function Receipt({ input, wallet, transaction }: ReceiptProps) {
  return (
    <dl className="facts">
      {transaction !== null && (
        <>
          <dt>Amount</dt>
          <dd>
            <MoneyText money={transaction.amount} />
          </dd>
          {transaction.conversion !== null && (
            <>
              <dt>Recipient gets</dt>
              <dd>
                <MoneyText money={transaction.conversion.bought} />
              </dd>
            </>
          )}
          {transaction.fees.map((charge) => (
            <Fragment key={charge.label}>
              <dt>Fee</dt>
              <dd>
                <div>
                  <MoneyText money={charge.amount} />
                  <p className="muted fee-explained">
                    <bdi>{chargeText(charge)}</bdi>
                  </p>
                </div>
              </dd>
            </Fragment>
          ))}
          <dt>To</dt>
          <dd>{transaction.receiver?.displayName ?? "Several wallets"}</dd>
          {input.description != null && (
            <>
              <dt>Note</dt>
              <dd>{input.description}</dd>
            </>
          )}
          <dt>When</dt>
          <dd>{formatExact(transaction.completedAt ?? transaction.createdAt)}</dd>
          <dt>Transaction</dt>
          <dd>
            <CopyableId id={transaction.id} label="the transaction’s id" />
          </dd>
        </>
      )}
      {wallet !== undefined && (
        <>
          <dt>Balance of {wallet.name}</dt>
          <dd>
            <LiveBalance wallet={wallet} />
          </dd>
        </>
      )}
    </dl>
  );
}
