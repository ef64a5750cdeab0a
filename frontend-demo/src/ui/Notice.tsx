import type { CombinedError } from "@urql/core";
import type { ReactNode } from "react";
import { troubleOf } from "../graphql/client.js";
import { isTransient } from "../graphql/lastGood.js";
import { useSession } from "../session/SessionContext.js";
import { Icon, type IconName } from "./Icon.js";

interface NoticeProps {
  readonly tone?: "plain" | "good" | "warning" | "bad";
  readonly icon?: IconName;
  readonly title: string;
  readonly children?: ReactNode;
}

/** A short message above, or instead of, the content that it is about. */
export function Notice({ tone = "plain", icon, title, children }: NoticeProps) {
  return (
    <div className={`notice notice-${tone}`} role={tone === "bad" || tone === "warning" ? "alert" : "status"}>
      {icon !== undefined && <Icon name={icon} />}
      <div>
        <p className="notice-title">{title}</p>
        {children}
      </div>
    </div>
  );
}

/** The error of a failed query, with a button that sends it again. */
export function QueryFailed({ error, onRetry }: { readonly error: CombinedError; readonly onRetry: () => void }) {
  const { code, message } = troubleOf(error);
  if (isTransient(error)) {
    return (
      <Notice tone="warning" icon="alert" title="The service does not answer.">
        <p className="muted">This goes on by itself as soon as it does.</p>
        <button type="button" className="button button-small" onClick={onRetry}>
          Try again
        </button>
      </Notice>
    );
  }
  return (
    <Notice tone="bad" icon="alert" title={code === "UNAUTHENTICATED" ? "Please sign in again." : message}>
      <p className="muted">
        <code>{code}</code>
      </p>
      {code === "UNAUTHENTICATED" ? (
        <SignInAgain />
      ) : (
        <button type="button" className="button button-small" onClick={onRetry}>
          Try again
        </button>
      )}
    </Notice>
  );
}

function SignInAgain() {
  const { signOut } = useSession();
  return (
    <button type="button" className="button button-small button-primary" onClick={signOut}>
      Sign in
    </button>
  );
}

interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  /** Whether it replaces the whole page, so that its title is the page's heading. */
  readonly isPage?: boolean;
  readonly children?: ReactNode;
}

/** Shown instead of an empty list or page, with an explanation. */
export function Empty({ icon, title, isPage = false, children }: EmptyProps) {
  return (
    <div className="empty">
      <Icon name={icon} />
      {isPage ? <h1 className="empty-title">{title}</h1> : <p className="empty-title">{title}</p>}
      {children}
    </div>
  );
}

/** Grey bars instead of content that is being loaded. */
export function Skeleton({ rows = 3, label }: { readonly rows?: number; readonly label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="skeleton-row" />
      ))}
    </div>
  );
}

interface PagePendingProps {
  /** The page's heading, for screen readers. */
  readonly title: string;
  readonly label: string;
  readonly error: CombinedError | undefined;
  readonly again: () => void;
}

/** Instead of a page whose data is not there yet. */
export function PagePending({ title, label, error, again }: PagePendingProps) {
  return (
    <>
      <h1 className="visually-hidden">{title}</h1>
      {error === undefined ? <Skeleton label={label} rows={6} /> : <QueryFailed error={error} onRetry={again} />}
    </>
  );
}
