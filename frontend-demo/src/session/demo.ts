/** GET /demo/session: the demo's users. It does not exist in production. */

export interface DemoUser {
  readonly subject: string;
  readonly display_name: string;
  readonly role: "admin" | null;
  readonly token: string;
  readonly wallets: readonly { readonly id: string; readonly name: string; readonly currency: string }[];
}

export interface DemoSession {
  readonly users: readonly DemoUser[];
  /** Whether POST /demo/break works here. */
  readonly can_break: boolean;
}

/** Null in production. Throws if the service cannot be reached. */
export async function fetchDemoSession(): Promise<DemoSession | null> {
  const response = await fetch("/demo/session", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
  if (response.status === 404) {
    return null;
  }
  if (!response.ok) {
    throw new Error(`The service answered ${response.status}.`);
  }
  return (await response.json()) as DemoSession;
}

export class DemoError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Call one of the demo's own routes. Throws DemoError for every answer without a success status. */
export async function demoRequest<Answer>(token: string, method: string, path: string, body?: object, patienceMilliseconds = 10_000): Promise<Answer> {
  const response = await fetch(`/demo/${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(patienceMilliseconds),
  });
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    throw new DemoError(response.status, detailOf(answer) ?? `The service answered ${response.status}.`);
  }
  return answer as Answer;
}

function detailOf(problem: unknown): string | null {
  if (typeof problem === "object" && problem !== null && "detail" in problem && typeof problem.detail === "string") {
    return problem.detail;
  }
  return null;
}
