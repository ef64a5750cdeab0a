import { useGraphiQL } from "@graphiql/react";
import type { DemoSession } from "../session/demo.js";
import { exchangeWallets } from "./exchange.js";

/**
 * Whose token the open tab sends. A choice replaces the tab's Authorization header and keeps its other headers. In the variables
 * the two users' wallets of one currency change places, so that the operation is the chosen user's own.
 */
export function UserSwitcher({ demo }: { readonly demo: DemoSession }) {
  const editor = useGraphiQL((state) => state.headerEditor);
  const variables = useGraphiQL((state) => state.variableEditor);
  const text = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.headers ?? "");
  const subject = demo.users.find(({ token }) => text.includes(token))?.subject ?? "";
  const choose = (chosen: string): void => {
    const user = demo.users.find((candidate) => candidate.subject === chosen);
    if (user === undefined) {
      return;
    }
    const before = demo.users.find((candidate) => candidate.subject === subject);
    editor?.setValue(JSON.stringify({ ...headersIn(text), Authorization: `Bearer ${user.token}` }, null, 2));
    const typed = variables?.getValue() ?? "";
    const exchanged = before === undefined ? typed : exchangeWallets(typed, before, user);
    if (exchanged !== typed) {
      variables?.setValue(exchanged);
    }
  };
  return (
    <select className="select identity" aria-label="Run as" value={subject} disabled={editor === undefined} onChange={(event) => choose(event.target.value)}>
      {subject === "" && <option value="">Run as…</option>}
      {demo.users.map((user) => (
        <option key={user.subject} value={user.subject}>
          {user.display_name}
        </option>
      ))}
    </select>
  );
}

/** Headers that are not valid JSON are replaced as a whole. */
function headersIn(text: string): object {
  try {
    const headers: unknown = JSON.parse(text);
    return typeof headers === "object" && headers !== null ? headers : {};
  } catch {
    return {};
  }
}
