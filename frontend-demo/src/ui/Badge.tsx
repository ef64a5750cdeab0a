const TONES: Readonly<Record<string, string>> = {
  ACTIVE: "good",
  COMPLETED: "good",
  FROZEN: "cold",
  CLOSED: "muted",
  PENDING: "warning",
  FAILED: "bad",
  OPEN: "warning",
  CAPTURED: "good",
};

/** A status of the API as a coloured word. */
export function StatusBadge({ status }: { readonly status: string }) {
  return <span className={`badge badge-${TONES[status] ?? "muted"}`}>{status.charAt(0) + status.slice(1).toLowerCase()}</span>;
}
