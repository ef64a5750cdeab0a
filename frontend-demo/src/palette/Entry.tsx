import { CommandItem } from "cmdk";
import type { ReactNode } from "react";
import { Icon, type IconName } from "../ui/Icon.js";

interface EntryProps {
  /** Its own among all. */
  readonly value: string;
  /** What is searched. */
  readonly words: string;
  readonly icon: IconName;
  readonly forceMount?: boolean;
  readonly onSelect: () => void;
  readonly children: ReactNode;
}

/** A line of the palette. */
export function Entry({ value, words, icon, forceMount = false, onSelect, children }: EntryProps) {
  return (
    <CommandItem className="palette-item" value={value} keywords={[words]} forceMount={forceMount} onSelect={onSelect}>
      <Icon name={icon} />
      <span className="palette-item-text">{children}</span>
    </CommandItem>
  );
}
