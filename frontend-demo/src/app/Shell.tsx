import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useLiveState } from "../live/hooks.js";
import { useOwnFeeds } from "../live/useOwnFeeds.js";
import type { LiveState } from "../live/connection.js";
import { ConnectionBanner } from "../live/Banner.js";
import { PaletteButton } from "../palette/PaletteButton.js";
import { AccountProvider } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import { Icon } from "../ui/Icon.js";
import { placesFor, type Place } from "./places.js";
import { ThemeToggle } from "./ThemeToggle.js";

/** What stands around every page. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const { account, demo } = useSession();
  const places = placesFor({ account, demo });
  return (
    <>
      <a className="skip-link" href="#main">
        Skip to the page
      </a>
      <header className="header">
        <div className="header-inner">
          <Link href="/" className="brand" aria-label="Paycore">
            <Mark />
            <span>Paycore</span>
          </Link>
          <nav className="nav" aria-label="Pages">
            {places.map((place) => (
              <NavLink key={place.path} {...place} />
            ))}
          </nav>
          <div className="header-tools">
            {account !== null && (
              <AccountProvider account={account}>
                <ConnectionBadge />
              </AccountProvider>
            )}
            <PaletteButton />
            <Identity />
            <ThemeToggle />
          </div>
        </div>
      </header>
      <ConnectionBanner />
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect className="mark-ground" width="32" height="32" rx="8" />
      <path className="mark-letter" d="M11 25V8h6.5a5.5 5.5 0 0 1 0 11H11" />
    </svg>
  );
}

function NavLink({ path, name, icon }: Place) {
  const [location] = useLocation();
  const isHere = path === "/" ? location === "/" : location.startsWith(path);
  return (
    <Link href={path} className="nav-link" aria-current={isHere ? "page" : undefined}>
      <Icon name={icon} />
      <span>{name}</span>
    </Link>
  );
}

const STATES: Readonly<Record<LiveState, string>> = { live: "Live", "catching-up": "Catching up", offline: "Offline" };

/** What is open as long as somebody is signed in, whichever page is shown; and how that stands. */
function ConnectionBadge() {
  useOwnFeeds();
  const state = useLiveState();
  return state === null ? null : <ConnectionText state={state} />;
}

/** How fresh what is shown is, in words and colour. */
export function ConnectionText({ state }: { readonly state: LiveState }) {
  return (
    <span className={`connection connection-${state}`} role="status" aria-label={`Connection: ${STATES[state]}`}>
      <span className="connection-dot" aria-hidden="true" />
      <span className="connection-word">{STATES[state]}</span>
    </span>
  );
}

function Identity() {
  const { demo, account, signIn, signOut } = useSession();
  if (demo !== null) {
    return (
      <select className="select identity" aria-label="Signed in as" value={account?.subject ?? ""} onChange={(event) => signIn(event.target.value)}>
        {account === null && <option value="">Sign in as…</option>}
        {demo.users.map((user) => (
          <option key={user.subject} value={user.subject}>
            {user.display_name}
          </option>
        ))}
      </select>
    );
  }
  return account === null ? null : (
    <button type="button" className="button button-small" onClick={signOut}>
      Sign out
    </button>
  );
}
