import type { ListedEndpoint } from "./queries.js";

const WORDS: Readonly<Record<ListedEndpoint["status"], readonly [string, string]>> = {
  ENABLED: ["Enabled", "good"],
  PAUSED: ["Paused", "warning"],
  DISABLED_FAILING: ["Disabled: it failed", "bad"],
};

export function EndpointStatus({ status }: { readonly status: ListedEndpoint["status"] }) {
  const [words, tone] = WORDS[status];
  return <span className={`badge badge-${tone}`}>{words}</span>;
}
