import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import { watchOperation } from "../live/watch.js";
import { CurrenciesProvider } from "../money/CurrenciesContext.js";
import { Operations } from "../operations/Operations.js";
import { operationOf } from "../operations/link.js";
import { TRANSFER } from "../send/queries.js";
import { AccountProvider } from "../session/AccountContext.js";
import { demoAccount } from "../session/account.js";
import { pair, type DemoWallet, type Pair } from "../session/pair.js";
import type { DemoSession, DemoUser } from "../session/demo.js";
import { Icon, type IconName } from "../ui/Icon.js";
import { Empty } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";
import { Controls } from "./Controls.js";
import { Flights } from "./Flights.js";
import { Phone } from "./Phone.js";
import { LedgerSum, Proof } from "./Proof.js";
import { Stage } from "./stage.js";
import { useAmbient } from "./useAmbient.js";

/** Two phones, two people, one ledger. */
export function LandingPage({ demo }: { readonly demo: DemoSession }) {
  useTitle("Live");
  const found = pair(demo.users);
  return found === null ? <Empty isPage icon="wallet" title="The demo has no two people who could pay each other." /> : <Landing demo={demo} found={found} />;
}

function Landing({ demo, found }: { readonly demo: DemoSession; readonly found: Pair }) {
  const [left, leftWallet, right, rightWallet] = found;
  const [stage] = useState(() => new Stage());
  const { turn, ...ambient } = useAmbient(demo.users, left);
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
          <p className="lead">Real payments on one ledger. Send some yourself, or kill the service and count again.</p>
        </section>
        <section className="phones" aria-label="Two phones">
          <Person user={left} wallet={leftWallet} other={right} otherWallet={rightWallet} isRight={false} stage={stage} />
          <Person user={right} wallet={rightWallet} other={left} otherWallet={leftWallet} isRight stage={stage} />
          <As user={left}>
            <Flights stage={stage} />
          </As>
        </section>
        <section className="proof-place" aria-label="Proof">
          <Proof stage={stage} sum={<Sum users={demo.users} currency={leftWallet.currency} />} />
          <AccountProvider account={demoAccount(left)}>
            <Controls ambient={ambient} onTurn={turn} canKill={demo.can_break} />
          </AccountProvider>
        </section>
      </div>
      <section aria-labelledby="more">
        <h2 id="more">What else to see</h2>
        <div className="doors">
          <Door href="/wallets" icon="wallet" title="Wallets and activity" text="Balances that tick, charts, 90 days of transfers to scroll through." />
          <Door href="/send" icon="send" title="Send money" text="Retries that cannot pay twice, refusals that say why." />
          <Door href="/checkout" icon="bag" title="Check out" text="A shop holds money, captures a part, releases the rest and refunds half." />
          <Door href="/break" icon="bolt" title="Try to break it" text="Fifty sends with one key, a run on a wallet, races for one hold, servers killed while you watch." />
          <Door href="/control" icon="gauge" title="Control room" text="Totals that must be zero, throughput, freezing, live traffic." />
        </div>
      </section>
      <AccountProvider account={demoAccount(left)}>
        <Operations operations={[watchOperation(leftWallet.id), operationOf(TRANSFER, { input })]} />
      </AccountProvider>
    </div>
  );
}

/** Only an administrator may read the sum of the ledger. */
function Sum({ users, currency }: { readonly users: readonly DemoUser[]; readonly currency: string }) {
  const admin = users.find(({ role }) => role === "admin");
  return admin === undefined ? null : (
    <As user={admin}>
      <LedgerSum currency={currency} />
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

interface PersonProps {
  readonly user: DemoUser;
  readonly wallet: DemoWallet;
  readonly other: DemoUser;
  readonly otherWallet: DemoWallet;
  readonly isRight: boolean;
  readonly stage: Stage;
}

function Person({ user, wallet, other, otherWallet, isRight, stage }: PersonProps) {
  return (
    <As user={user}>
      <Phone walletId={wallet.id} name={user.display_name} otherName={other.display_name} otherWalletId={otherWallet.id} isRight={isRight} stage={stage} />
    </As>
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
