import { useId, useRef, type ReactNode } from "react";
import { Icon } from "./Icon.js";
import { useModal } from "./useModal.js";

interface DialogProps {
  readonly title: string;
  readonly className?: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A modal dialog. It focuses its first field. The browser keeps the focus inside and closes it with Escape. */
export function Dialog({ title, className = "dialog", onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useModal(dialog);
  return (
    <dialog ref={dialog} className={className} aria-labelledby={titleId} onCancel={onClose}>
      <div className="dialog-top">
        <h2 id={titleId}>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      {children}
    </dialog>
  );
}
