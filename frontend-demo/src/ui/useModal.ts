import { useLayoutEffect, type RefObject } from "react";

/** Open this dialog over the page for as long as it is rendered, on its first field. */
export function useModal(dialog: RefObject<HTMLDialogElement | null>): void {
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    element?.querySelector<HTMLElement>("input, select, textarea")?.focus();
    // Close it before React removes it: only then does the browser return the focus to the element that opened it.
    return () => element?.close();
  }, [dialog]);
}
