import type { Plugin } from "vite";

/**
 * A plugin for Vite that corrects the markup of GraphiQL's tabs. GraphiQL gives role="tab" to a list item that contains two
 * buttons, which screen readers cannot reach then (axe: nested-interactive). No property changes that, so the roles are taken
 * out of its source: what is left is a list of buttons. The build fails if the source is no longer as expected.
 */

const FILE = "/@graphiql/react/dist/components/tabs/index.js";
const REPLACEMENTS: readonly (readonly [string, string])[] = [
  ['role: "tablist"', 'role: "list"'],
  ['"aria-selected": isActive,', '"aria-current": isActive ? "true" : void 0,'],
  ['role: "tab",', ""],
];

export function graphiqlTabs(): Plugin {
  return {
    name: "paycore:graphiql-tabs",
    transform(code: string, id: string) {
      if (!id.endsWith(FILE)) {
        return null;
      }
      return REPLACEMENTS.reduce((text, [old, replacement]) => {
        if (text.split(old).length !== 2) {
          throw new Error(`GraphiQL's tabs have changed: ${old} is there ${text.split(old).length - 1} times. See scripts/graphiql-tabs.ts.`);
        }
        return text.replace(old, replacement);
      }, code);
    },
  };
}
