import { GraphiQL } from "graphiql";
import { useMemo } from "react";
import type { DemoSession } from "../session/demo.js";
import { exampleTabs, handedOver, plainTabs, tabOf } from "./examples.js";
import { paycoreFetcher } from "./fetcher.js";

/** Nothing is kept from visit to visit: the examples are there each time, as they should be. */
function forgetfulStorage(): Storage {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    clear: () => items.clear(),
    getItem: (key) => items.get(key) ?? null,
    key: (index) => [...items.keys()][index] ?? null,
    removeItem: (key) => void items.delete(key),
    setItem: (key, value) => void items.set(key, value),
  };
}

export function GraphiqlPage({ demo }: { readonly demo: DemoSession | null }) {
  const { tabs, storage, fetcher } = useMemo(() => {
    const examples = demo === null ? plainTabs() : exampleTabs(demo, crypto.randomUUID().slice(0, 8));
    const handed = handedOver(window.location.hash);
    return {
      tabs: handed === null ? examples : [tabOf(handed, demo), ...examples],
      storage: forgetfulStorage(),
      fetcher: paycoreFetcher(),
    };
  }, [demo]);
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      defaultTabs={tabs}
      // The first tab's editors are filled from these, not from the tab.
      initialQuery={tabs[0]?.query ?? ""}
      initialVariables={tabs[0]?.variables ?? ""}
      initialHeaders={tabs[0]?.headers ?? ""}
      defaultEditorToolsVisibility="variables"
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <a className="graphiql-home" href="/">
          Paycore
        </a>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}
