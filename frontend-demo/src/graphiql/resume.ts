import type { Request } from "./stream.js";

/** Close codes of the protocol from 4400 on say why the service refused the socket. All others are lost connections. */
const FIRST_REFUSAL = 4400;

/** Whether a subscription ended because its connection was lost, so that it can go on with a new one. */
export function isLost(error: unknown): boolean {
  if (Array.isArray(error)) {
    // GraphQL errors: the service refused the operation.
    return false;
  }
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
  return typeof code !== "number" || code < FIRST_REFUSAL;
}

/**
 * The same subscription from where it was: after the newest cursor, where it has an argument named after. Without one it begins
 * anew, as for a first connection.
 */
export function resumed(request: Request, newest: unknown): Request {
  const cursor = cursorIn(newest);
  return cursor !== null && /\$after\b/.test(request.query) ? { ...request, variables: { ...request.variables, after: cursor } } : request;
}

function cursorIn(result: unknown): string | null {
  const data = typeof result === "object" && result !== null && "data" in result ? result.data : null;
  const [update] = Object.values(data ?? {}) as unknown[];
  return typeof update === "object" && update !== null && "cursor" in update && typeof update.cursor === "string" ? update.cursor : null;
}
