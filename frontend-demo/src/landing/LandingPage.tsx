import { Link } from "wouter";
import { watchOperation } from "../live/watch.js";
import { CurrenciesProvider } from "../money/CurrenciesContext.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { TRANSFER } from "../send/queries.js";
import { AccountProvider } from "../session/AccountContext.js";
import { demoAccount } from "../session/account.js";
import type { DemoUser } from "../session/demo.js";
import { Icon, type IconName } from "../ui/Icon.js";
import { Empty } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { Phone } from "./Phone.js";

type DemoWallet = DemoUser["wallets"][number];

/** Two people who can pay each other: the first of the users with a wallet in a common currency. */
function pair(users: readonly DemoUser[]): readonly [DemoUser, DemoWallet, DemoUser, DemoWallet] | null {
  const [first, second] = users.filter(({ role }) => role === null);
  const mine = first?.wallets.find(({ currency }) => second?.wallets.some((wallet) => wallet.currency === currency));
  const theirs = second?.wallets.find(({ currency }) => currency === mine?.currency);
  return first && second && mine && theirs ? [first, mine, second, theirs] : null;
}

/** Two phones, two people, one ledger. */
export function LandingPage({ users }: { readonly users: readonly DemoUser[] }) {
  useTitle("Live");
  const found = pair(users);
  if (found === null) {
    return <Empty isPage icon="wallet" title="The demo has no two people who could pay each other." />;
  }
  const [left, leftWallet, right, rightWallet] = found;
  const input = {
    idempotencyKey: "one-key-for-one-payment",
    senderWalletId: leftWallet.id,
    receiverWalletId: rightWallet.id,
    amount: { amount: "1.00", currency: leftWallet.currency },
  };
  return (
    <div className="stack-large">
      <div className="landing-top">
        <section className="hero">
          <h1>Money that moves while you watch</h1>
          <p className="lead">Two people, two connections, one ledger. Send something from either phone: both balances change, without a reload.</p>
          <p className="muted">Each arrival shows how long it took from the ledger’s commit to your screen.</p>
        </section>
        <section className="phones" aria-label="Two phones">
          <Person user={left} wallet={leftWallet} other={right} otherWallet={rightWallet} />
          <Person user={right} wallet={rightWallet} other={left} otherWallet={leftWallet} />
        </section>
      </div>
      <section aria-labelledby="more">
        <h2 id="more">What else to see</h2>
        <div className="doors">
          <Door href="/wallets" icon="wallet" title="Wallets and activity" text="Balances that tick, charts, 90 days of transfers to scroll through." />
          <Door href="/send" icon="send" title="Send money" text="Retries that cannot pay twice, refusals that say why." />
          <Door href="/break" icon="bolt" title="Try to break it" text="Fifty sends with one key, a run on a wallet, servers killed while you watch." />
          <Door href="/control" icon="gauge" title="Control room" text="Totals that must be zero, throughput, freezing, live traffic." />
        </div>
      </section>
      <AccountProvider account={demoAccount(left)}>
        <Operations operations={[watchOperation(leftWallet.id), operationOf(TRANSFER, { input })]} />
      </AccountProvider>
    </div>
  );
}

interface PersonProps {
  readonly user: DemoUser;
  readonly wallet: DemoWallet;
  readonly other: DemoUser;
  readonly otherWallet: DemoWallet;
}

function Person({ user, wallet, other, otherWallet }: PersonProps) {
  return (
    <AccountProvider account={demoAccount(user)}>
      <CurrenciesProvider>
        <Phone walletId={wallet.id} name={user.display_name} otherName={other.display_name} otherWalletId={otherWallet.id} />
      </CurrenciesProvider>
    </AccountProvider>
  );
}

function Door({ href, icon, title, text }: { readonly href: string; readonly icon: IconName; readonly title: string; readonly text: string }) {
  return (
    <Link href={href} className="card door">
      <Icon name={icon} />
      <span>
        <span className="door-title">{title}</span>
        <span className="muted">{text}</span>
      </span>
    </Link>
  );
}
