import { useEffect, useState } from "react";
import { Icon } from "./Icon.js";

/** A button that copies a text. `label` names what is copied. */
export function Copy({ text, label }: { readonly text: string; readonly label: string }) {
  const [isCopied, setIsCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) {
      return undefined;
    }
    const timer = setTimeout(() => setIsCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setIsCopied(true);
  };
  return (
    <button type="button" className="copy" aria-label={`Copy ${label}`} title={`Copy ${label}`} onClick={() => void copy()}>
      <Icon name={isCopied ? "check" : "copy"} />
      <span className="visually-hidden" role="status">
        {isCopied ? "Copied" : ""}
      </span>
    </button>
  );
}

/** An id, shortened if there is no room, with a button that copies all of it. */
export function CopyableId({ id, label }: { readonly id: string; readonly label: string }) {
  return (
    <span className="copyable-id">
      <code title={id}>{id}</code>
      <Copy text={id} label={label} />
    </span>
  );
}
