import { Component, type ReactNode } from "react";
import { Notice } from "../ui/Notice.js";

interface CrashGuardProps {
  /** Another one is another page, which may be fine. */
  readonly path: string;
  readonly children: ReactNode;
}

interface CrashGuardState {
  readonly crashed: boolean;
  readonly path: string;
}

/** A page that fails leaves the rest standing. React has this for classes only. */
export class CrashGuard extends Component<CrashGuardProps, CrashGuardState> {
  override state: CrashGuardState = { crashed: false, path: this.props.path };

  static getDerivedStateFromError(): Partial<CrashGuardState> {
    return { crashed: true };
  }

  static getDerivedStateFromProps({ path }: CrashGuardProps, state: CrashGuardState): CrashGuardState | null {
    return path === state.path ? null : { crashed: false, path };
  }

  override render(): ReactNode {
    return this.state.crashed ? (
      <Notice tone="bad" icon="alert" title="This page has failed.">
        <button type="button" className="button button-small" onClick={() => window.location.reload()}>
          Load it again
        </button>
      </Notice>
    ) : (
      this.props.children
    );
  }
}
