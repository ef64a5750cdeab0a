import { useGraphiQL } from "@graphiql/react";
import type { DemoSession } from "../session/demo.js";

/** Whose token the open tab sends. A choice replaces the tab's Authorization header and keeps its other headers. */
export function UserSwitcher({ demo }: { readonly demo: DemoSession }) {
  const editor = useGraphiQL((state) => state.headerEditor);
  const text = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.headers ?? "");
  const subject = demo.users.find(({ token }) => text.includes(token))?.subject ?? "";
  const choose = (chosen: string): void => {
    const token = demo.users.find((user) => user.subject === chosen)?.token;
    if (token !== undefined) {
      editor?.setValue(JSON.stringify({ ...headersIn(text), Authorization: `Bearer ${token}` }, null, 2));
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
