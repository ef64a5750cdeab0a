import type { ReactNode } from "react";
import { useAccount } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import { Empty } from "../ui/Notice.js";

interface AdminOnlyProps {
  /** The page's name, such as "The control room". */
  readonly title: string;
  readonly children: ReactNode;
}

/** A page for administrators. Others see that it is not for them, and in the demo they can sign in as one. */
export function AdminOnly({ title, children }: AdminOnlyProps) {
  const { isAdmin } = useAccount();
  const { demo, signIn } = useSession();
  const admin = demo?.users.find(({ role }) => role === "admin");
  return isAdmin ? (
    children
  ) : (
    <Empty isPage icon="gauge" title={`${title} is for administrators`}>
      {admin !== undefined && (
        <button type="button" className="button button-primary" onClick={() => signIn(admin.subject)}>
          Sign in as {admin.display_name}
        </button>
      )}
    </Empty>
  );
}
