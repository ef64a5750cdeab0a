import { useCallback, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { lazyPage } from "../app/lazyPage.js";
import { CurrenciesProvider } from "../money/CurrenciesContext.js";
import { AccountProvider } from "../session/AccountContext.js";
import { useSession } from "../session/SessionContext.js";
import { Icon } from "../ui/Icon.js";
import { useModal } from "../ui/useModal.js";
import { rememberOpened } from "./opened.js";

const Palette = lazyPage(async () => (await import("./Palette.js")).Palette);

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);

/** Opens the command palette, as Ctrl+K does (on Apple's machines ⌘K). */
export function PaletteButton() {
  const [isOpen, setIsOpen] = useState(false);
  const close = useCallback(() => setIsOpen(false), []);
  useShortcut(useCallback(() => setIsOpen((wasOpen) => !wasOpen), []));
  useRememberedPages();
  const go = useGo(isOpen, close);
  return (
    <>
      <button
        type="button"
        className="palette-button"
        aria-keyshortcuts={isApple ? "Meta+K" : "Control+K"}
        aria-haspopup="dialog"
        title="Go anywhere, find anything"
        onClick={() => setIsOpen(true)}
      >
        <Icon name="search" />
        <span className="visually-hidden">Open the command palette</span>
        <kbd aria-hidden="true">{isApple ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      {isOpen && <PaletteDialog onClose={close} onGo={go} />}
    </>
  );
}

interface PaletteDialogProps {
  readonly onClose: () => void;
  readonly onGo: (path: string) => void;
}

function PaletteDialog({ onClose, onGo }: PaletteDialogProps) {
  const { account } = useSession();
  const dialog = useRef<HTMLDialogElement>(null);
  useModal(dialog);
  // A press beside it closes it, in browsers that know this attribute. React's types do not know it.
  useEffect(() => dialog.current?.setAttribute("closedby", "any"), []);
  return (
    <dialog ref={dialog} className="palette" aria-label="Command palette" onCancel={onClose}>
      {account === null ? (
        <Palette account={null} onClose={onClose} onGo={onGo} />
      ) : (
        <AccountProvider account={account}>
          <CurrenciesProvider>
            <Palette account={account} onClose={onClose} onGo={onGo} />
          </CurrenciesProvider>
        </AccountProvider>
      )}
    </dialog>
  );
}

function useShortcut(toggle: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const isModified = isApple ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
      if (isModified && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        toggle();
      }
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [toggle]);
}

/** Opens a page and puts the focus there. Without a new page the browser gives it back to where it was, if that still exists. */
function useGo(isOpen: boolean, close: () => void): (path: string) => void {
  const [, navigate] = useLocation();
  const wasOpen = useRef(false);
  const hasGone = useRef(false);
  useEffect(() => {
    const isLost = document.activeElement === document.body;
    if (!isOpen && wasOpen.current && (hasGone.current || isLost)) {
      document.getElementById("main")?.focus({ preventScroll: true });
    }
    wasOpen.current = isOpen;
    hasGone.current = false;
  }, [isOpen]);
  return useCallback(
    (path) => {
      hasGone.current = true;
      close();
      navigate(path);
    },
    [close, navigate],
  );
}

function useRememberedPages(): void {
  const [path] = useLocation();
  const subject = useSession().account?.subject;
  useEffect(() => {
    if (subject !== undefined) {
      rememberOpened(subject, path);
    }
  }, [subject, path]);
}
