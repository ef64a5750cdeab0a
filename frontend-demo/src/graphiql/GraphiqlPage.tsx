import { GraphiQL } from "graphiql";
import { useMemo } from "react";
import { ThemeToggle } from "../app/ThemeToggle.js";
import { useTheme } from "../app/theme.js";
import type { DemoSession } from "../session/demo.js";
import { EventsPane } from "./EventsPane.js";
import { exampleTabs, handedOver, plainTabs, tabOf } from "./examples.js";
import { paycoreFetcher } from "./fetcher.js";
import { Stream } from "./stream.js";
import { UserSwitcher } from "./UserSwitcher.js";

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
  const theme = useTheme();
  const { tabs, storage, fetcher, stream } = useMemo(() => {
    const examples = demo === null ? plainTabs() : exampleTabs(demo, crypto.randomUUID().slice(0, 8));
    const handed = handedOver(window.location.hash);
    const stream = new Stream();
    return {
      tabs: handed === null ? examples : [tabOf(handed, demo), ...examples],
      storage: forgetfulStorage(),
      fetcher: paycoreFetcher(stream),
      stream,
    };
  }, [demo]);
  return (
    <>
      <header className="ide-header">
        <a className="brand" href="/">
          Paycore
        </a>
        <h1>GraphiQL</h1>
        <ThemeToggle />
      </header>
      <main className="ide">
        <section className="ide-operations" aria-label="Operations">
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
            forcedTheme={theme}
          >
            <GraphiQL.Logo>{demo !== null && <UserSwitcher demo={demo} />}</GraphiQL.Logo>
          </GraphiQL>
        </section>
        <EventsPane stream={stream} />
      </main>
    </>
  );
}
