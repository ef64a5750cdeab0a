import type { ReactNode } from "react";
import { newest, useFeed } from "../live/hooks.js";
import { heldOf } from "../money/held.js";
import { FittedMoney, MoneyText } from "../money/Money.js";
import type { Money } from "../money/format.js";
import { PhoneTop } from "../wallets/PhoneTop.js";
import type { WalletSummary } from "../wallets/queries.js";

interface CheckoutPhoneProps {
  readonly name: string;
  readonly wallet: WalletSummary;
  /** What is held in the wallet's favour. Null on the payer's phone, which shows what is held of its own money. */
  readonly promised: Money | null;
  readonly children: ReactNode;
}

/** One side's app: its balance, what is held, what it can spend. */
export function CheckoutPhone({ name, wallet: queried, promised, children }: CheckoutPhoneProps) {
  const wallet = newest(queried, useFeed(queried));
  return (
    <article className="phone" aria-label={`${name}’s phone`}>
      <PhoneTop name={name} wallet={wallet} />
      <p className="phone-balance" aria-label={`${name}’s balance`}>
        <FittedMoney money={wallet.balance} />
      </p>
      <dl className="checkout-figures">
        <div>
          <dt>{promised === null ? "Held" : "Held for it"}</dt>
          <dd>
            <MoneyText money={promised ?? heldOf(wallet)} />
          </dd>
        </div>
        <div>
          <dt>Available</dt>
          <dd>
            <MoneyText money={wallet.available} />
          </dd>
        </div>
      </dl>
      <div className="checkout-screen">{children}</div>
    </article>
  );
}
