import { createElement, useEffect, useSyncExternalStore, type ComponentType, type ReactNode } from "react";
import { connection } from "../live/page.js";
import { Skeleton } from "../ui/Notice.js";
import { Chunk } from "./chunk.js";

const chunks: Chunk<unknown>[] = [];
let isPrefetching = false;

/** A page whose code is loaded when it is first shown, or before that when the browser is idle. */
export function lazyPage<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  return lazyPart(load, <Skeleton label="Loading the page" rows={4} />);
}

/** As `lazyPage`, for a part of a page. `pending` keeps its place until it is there. */
export function lazyPart<Props extends object>(load: () => Promise<ComponentType<Props>>, pending: ReactNode): ComponentType<Props> {
  let isShown = false;
  const chunk = new Chunk(load, {
    onFailed: connection.failed,
    untilReturn: () =>
      new Promise((resolve) => {
        const leave = connection.onReturn(() => {
          leave();
          resolve();
        });
      }),
    // A browser may keep the failure of an import, and a new version of the pages has other files.
    onLost: () => {
      if (isShown) {
        loadDocumentAgain();
      }
    },
  });
  chunks.push(chunk);
  if (isPrefetching) {
    // A part of a page that was itself loaded ahead.
    void chunk.start();
  }
  return function Lazy(props: Props) {
    const loaded = useSyncExternalStore(chunk.subscribe, () => chunk.code);
    useEffect(() => {
      isShown = true;
      void chunk.start();
      return () => {
        isShown = false;
      };
    }, []);
    return loaded === null ? pending : createElement(loaded, props);
  };
}

/** Load the code of all pages when the browser has nothing else to do, so that an outage does not stop the way to them. */
export function prefetchPages(): () => void {
  const start = (): void => {
    isPrefetching = true;
    chunks.forEach((chunk) => void chunk.start());
  };
  if (typeof window.requestIdleCallback === "function") {
    const handle = window.requestIdleCallback(start, { timeout: 5_000 });
    return () => window.cancelIdleCallback(handle);
  }
  const timer = setTimeout(start, 2_000);
  return () => clearTimeout(timer);
}

const RELOADED_KEY = "paycore.reloaded-at";
const RELOAD_MILLISECONDS = 60_000;

/** Not again and again, where it does not help. */
function loadDocumentAgain(): void {
  const last = Number(sessionStorage.getItem(RELOADED_KEY) ?? 0);
  if (Date.now() - last > RELOAD_MILLISECONDS) {
    sessionStorage.setItem(RELOADED_KEY, String(Date.now()));
    window.location.reload();
  }
}
