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

/** A short message in the place of, or above, what it is about. */
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

/** A query that failed, with a button to ask again. */
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
  /** It stands for the whole page. */
  readonly isPage?: boolean;
  readonly children?: ReactNode;
}

/** Nothing is there yet, and what that means. */
export function Empty({ icon, title, isPage = false, children }: EmptyProps) {
  return (
    <div className="empty">
      <Icon name={icon} />
      {isPage ? <h1 className="empty-title">{title}</h1> : <p className="empty-title">{title}</p>}
      {children}
    </div>
  );
}

/** Grey bars in the place of what is being loaded. */
export function Skeleton({ rows = 3, label }: { readonly rows?: number; readonly label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="skeleton-row" />
      ))}
    </div>
  );
}
