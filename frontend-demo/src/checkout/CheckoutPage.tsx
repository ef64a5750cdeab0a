import "./checkout.css";
import { useEffect, useRef, type ReactNode } from "react";
import { FOLLOWED_WALLET } from "../break/queries.js";
import { useAnswer } from "../graphql/useAnswer.js";
import { useSeconds } from "../holds/clock.js";
import { CAPTURE_HOLD, PLACE_HOLD, RELEASE_HOLD } from "../holds/queries.js";
import { statusAt } from "../holds/state.js";
import { newest, useFeed } from "../live/hooks.js";
import { CurrenciesProvider } from "../money/CurrenciesContext.js";
import { decimalsOf, fromMinor } from "../money/decimal.js";
import { formatMoney, type Money } from "../money/format.js";
import { MoneyText } from "../money/Money.js";
import { Operations } from "../operations/Operations.js";
import { operationOf, type Operation } from "../operations/link.js";
import { AccountProvider } from "../session/AccountContext.js";
import { demoAccount } from "../session/account.js";
import type { DemoSession, DemoUser } from "../session/demo.js";
import { pair, type Pair } from "../session/pair.js";
import { REVERSE } from "../transactions/queries.js";
import { Empty, QueryFailed, Skeleton } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import type { WalletSummary } from "../wallets/queries.js";
import { CheckoutPhone } from "./CheckoutPhone.js";
import { Steps } from "./Steps.js";
import { HOLD_SECONDS, useCheckout, type Checkout } from "./useCheckout.js";

/** A payment by hold: a shop and its customer, side by side. */
export function CheckoutPage({ demo }: { readonly demo: DemoSession }) {
  useTitle("Check out");
  const found = pair(demo.users);
  return found === null ? (
    <Empty isPage icon="bag" title="The demo has no two people who could pay each other." />
  ) : (
    <As user={found[0]}>
      <Wallets found={found} />
    </As>
  );
}

function As({ user, children }: { readonly user: DemoUser; readonly children: ReactNode }) {
  return (
    <AccountProvider account={demoAccount(user)}>
      <CurrenciesProvider>{children}</CurrenciesProvider>
    </AccountProvider>
  );
}

/** The payer's wallet comes first: the amounts begin within what it has. */
function Wallets({ found }: { readonly found: Pair }) {
  const { data, error, again } = useAnswer({ query: FOLLOWED_WALLET, variables: { id: found[1].id } });
  return (
    <div className="stack-large">
      <section className="hero">
        <h1>Check out</h1>
        <p className="lead">
          Money is held first and paid later: {found[2].display_name}’s shop holds it on {found[0].display_name}’s wallet, takes what it needs, and frees the rest.
        </p>
      </section>
      {data?.wallet ? <Page found={found} wallet={data.wallet} /> : error === undefined ? <Skeleton label="Loading the wallets" rows={5} /> : <QueryFailed error={error} onRetry={again} />}
    </div>
  );
}

function Page({ found, wallet: queried }: { readonly found: Pair; readonly wallet: WalletSummary }) {
  const [payer, , shop, shopWallet] = found;
  const checkout = useCheckout(found);
  const wallet = newest(queried, useFeed(queried));
  const { hold } = checkout.state;
  const isOpen = statusAt({ status: hold?.status ?? "RELEASED", expiresAt: hold?.expiresAt ?? null }, useSeconds()) === "OPEN";
  const decimals = decimalsOf(wallet.balance.amount);
  const promised = hold !== null && isOpen ? hold.remaining : { amount: fromMinor(0n, decimals), currency: wallet.currency };
  return (
    <>
      <div className="checkout">
        <section className="checkout-phones" aria-label="Two phones">
          <CheckoutPhone name={payer.display_name} wallet={queried} promised={null}>
            <PayerScreen checkout={checkout} shopName={shop.display_name} />
          </CheckoutPhone>
          <As user={shop}>
            <ShopPhone name={shop.display_name} id={shopWallet.id} promised={promised} checkout={checkout} />
          </As>
        </section>
        <Steps checkout={checkout} payerName={payer.display_name.split(" ")[0] ?? payer.display_name} available={wallet.available} />
      </div>
      <Operations operations={operationsOf(found, checkout)} />
    </>
  );
}

function ShopPhone({ name, id, promised, checkout }: { readonly name: string; readonly id: string; readonly promised: Money; readonly checkout: Checkout }) {
  const { data, error, again } = useAnswer({ query: FOLLOWED_WALLET, variables: { id } });
  if (!data?.wallet) {
    return <div className="phone">{error === undefined ? <Skeleton label={`Loading ${name}’s wallet`} rows={4} /> : <QueryFailed error={error} onRetry={again} />}</div>;
  }
  const { step, asked, done } = checkout.state;
  return (
    <CheckoutPhone name={name} wallet={data.wallet} promised={promised}>
      <p className="muted">
        {step === "place" ? (asked === null ? "No order yet." : "Waiting for the confirmation.") : done.refund ? "Refunded." : done.capture ? "Paid." : "Reserved. Ready to be packed."}
      </p>
    </CheckoutPhone>
  );
}

/** Asks for the confirmation, and has the focus while it does. */
function PayerScreen({ checkout: { state, confirm, decline }, shopName }: { readonly checkout: Checkout; readonly shopName: string }) {
  const { asked, isRunning } = state;
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asked !== null) {
      button.current?.focus();
    }
  }, [asked]);
  if (asked === null) {
    return <p className="muted">Nothing to confirm.</p>;
  }
  return (
    <div className="stack" role="group" aria-label="Confirm the payment">
      <p>
        <bdi>{shopName}</bdi> asks to hold <MoneyText money={asked} /> for {HOLD_SECONDS / 60} minutes
      </p>
      <button ref={button} type="button" className="button button-primary button-wide" aria-disabled={isRunning} onClick={() => !isRunning && confirm(asked)}>
        Confirm {formatMoney(asked)}
      </button>
      <button type="button" className="button button-small button-wide" disabled={isRunning} onClick={decline}>
        Not now
      </button>
    </div>
  );
}

/** What was sent so far, and placing a hold. Each opens in GraphiQL as the one who sends it. */
function operationsOf([payer, payerWallet, shop, shopWallet]: Pair, { state: { hold, captureId } }: Checkout): Operation[] {
  const key = (name: string): string => `checkout-${name}`;
  const amount = { amount: "1.00", currency: payerWallet.currency };
  const place = { idempotencyKey: key("place"), walletId: payerWallet.id, receiverWalletId: shopWallet.id, amount, expiresIn: HOLD_SECONDS };
  const operations: Operation[] = [{ ...operationOf(PLACE_HOLD, { input: place }), subject: payer.subject }];
  if (hold !== null) {
    operations.push(
      { ...operationOf(CAPTURE_HOLD, { input: { idempotencyKey: key("capture"), holdId: hold.id, amount, keepRemaining: true } }), subject: shop.subject },
      { ...operationOf(RELEASE_HOLD, { input: { idempotencyKey: key("release"), holdId: hold.id } }), subject: shop.subject },
    );
  }
  if (captureId !== null) {
    operations.push({ ...operationOf(REVERSE, { input: { idempotencyKey: key("refund"), transactionId: captureId, amount, reason: "REFUND" } }), subject: shop.subject });
  }
  return operations;
}
