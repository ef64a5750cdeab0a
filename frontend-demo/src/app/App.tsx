import { useEffect } from "react";
import { Route, Switch, useLocation } from "wouter";
import { LandingPage } from "../landing/LandingPage.js";
import { CurrenciesProvider } from "../money/CurrenciesContext.js";
import { AccountProvider } from "../session/AccountContext.js";
import { SessionProvider, useSession } from "../session/SessionContext.js";
import { SignInPage } from "../session/SignInPage.js";
import { Notice, Skeleton } from "../ui/Notice.js";
import { CrashGuard } from "./CrashGuard.js";
import { lazyPage, prefetchPages } from "./lazyPage.js";
import { isPage, NoSuchPage } from "./NoSuchPage.js";
import { Shell } from "./Shell.js";

const WalletsPage = lazyPage(async () => (await import("../wallets/WalletsPage.js")).WalletsPage);
const WalletPage = lazyPage(async () => (await import("../wallets/WalletPage.js")).WalletPage);
const StatementsPage = lazyPage(async () => (await import("../statements/StatementsPage.js")).StatementsPage);
const ActivityPage = lazyPage(async () => (await import("../activity/ActivityPage.js")).ActivityPage);
const SendPage = lazyPage(async () => (await import("../send/SendPage.js")).SendPage);
const ConvertPage = lazyPage(async () => (await import("../convert/ConvertPage.js")).ConvertPage);
const TransactionPage = lazyPage(async () => (await import("../transactions/TransactionPage.js")).TransactionPage);
const HoldPage = lazyPage(async () => (await import("../holds/HoldPage.js")).HoldPage);
const CheckoutPage = lazyPage(async () => (await import("../checkout/CheckoutPage.js")).CheckoutPage);
const BreakPage = lazyPage(async () => (await import("../break/BreakPage.js")).BreakPage);
const ControlPage = lazyPage(async () => (await import("../control/ControlPage.js")).ControlPage);
const WebhooksPage = lazyPage(async () => (await import("../webhooks/WebhooksPage.js")).WebhooksPage);
const EndpointPage = lazyPage(async () => (await import("../webhooks/EndpointPage.js")).EndpointPage);
const FoundUserPage = lazyPage(async () => (await import("../find/FindPage.js")).FoundUserPage);
const FindPage = lazyPage(async () => (await import("../find/FindPage.js")).FindPage);

export function App() {
  return (
    <SessionProvider waiting={(isUnreachable) => <Waiting isUnreachable={isUnreachable} />}>
      <Shell>
        <Pages />
      </Shell>
    </SessionProvider>
  );
}

function Waiting({ isUnreachable }: { readonly isUnreachable: boolean }) {
  return (
    <main className="main">
      {isUnreachable ? (
        <Notice tone="warning" icon="alert" title="The service does not answer yet.">
          <p className="muted">This page goes on by itself as soon as it does.</p>
        </Notice>
      ) : (
        <Skeleton label="Loading" rows={4} />
      )}
    </main>
  );
}

function Pages() {
  useEffect(prefetchPages, []);
  const [path] = useLocation();
  useTopOfNewPage(path);
  return (
    <CrashGuard path={path}>
      <Page path={path} />
    </CrashGuard>
  );
}

function Page({ path }: { readonly path: string }) {
  const { account, demo } = useSession();
  if (demo !== null && path === "/") {
    return <LandingPage demo={demo} />;
  }
  if (demo !== null && path === "/break") {
    return <BreakPage demo={demo} />;
  }
  if (demo !== null && path === "/checkout") {
    return <CheckoutPage demo={demo} />;
  }
  if (!isPage(path)) {
    return <NoSuchPage />;
  }
  if (account === null) {
    return <SignInPage />;
  }
  return (
    // What a page knows belongs to one account: another one begins anew.
    <AccountProvider key={account.subject} account={account}>
      <CurrenciesProvider>
        <Switch>
          <Route path="/">
            <WalletsPage />
          </Route>
          <Route path="/wallets">
            <WalletsPage />
          </Route>
          <Route path="/wallets/:id">{({ id }) => <WalletPage key={id} id={id} />}</Route>
          <Route path="/wallets/:id/statements">{({ id }) => <StatementsPage key={id} id={id} />}</Route>
          <Route path="/activity">
            <ActivityPage />
          </Route>
          <Route path="/send">
            <SendPage />
          </Route>
          <Route path="/convert">
            <ConvertPage />
          </Route>
          <Route path="/transactions/:id">{({ id }) => <TransactionPage key={id} id={id} />}</Route>
          <Route path="/holds/:id">{({ id }) => <HoldPage key={id} id={id} />}</Route>
          <Route path="/webhooks">
            <WebhooksPage />
          </Route>
          <Route path="/webhooks/:id">{({ id }) => <EndpointPage key={id} id={id} />}</Route>
          <Route path="/control">
            <ControlPage />
          </Route>
          <Route path="/find">
            <FindPage />
          </Route>
          <Route path="/find/:id">{({ id }) => <FoundUserPage key={id} id={id} />}</Route>
          <Route>
            <NoSuchPage />
          </Route>
        </Switch>
      </CurrenciesProvider>
    </AccountProvider>
  );
}

/** A page that was not there before begins at its top. Going back is left to the browser. */
function useTopOfNewPage(path: string): void {
  useEffect(() => {
    const isBack = performance.now() - lastPop < 500;
    if (!isBack) {
      window.scrollTo(0, 0);
    }
  }, [path]);
}

let lastPop = -Infinity;
window.addEventListener("popstate", () => {
  lastPop = performance.now();
});
