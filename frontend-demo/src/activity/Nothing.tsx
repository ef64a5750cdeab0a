import type { ReactNode } from "react";
import { Empty } from "../ui/Notice.js";

interface NothingProps {
  readonly isNarrowed: boolean;
  readonly onShowAll: () => void;
  /** What stands in a list that is not narrowed and has no rows. */
  readonly children: ReactNode;
}

/** In the place of the rows of a list that has none. */
export function Nothing({ isNarrowed, onShowAll, children }: NothingProps) {
  return isNarrowed ? (
    <Empty icon="activity" title="No transactions match">
      <button type="button" className="button button-small" onClick={onShowAll}>
        Show all
      </button>
    </Empty>
  ) : (
    children
  );
}
