/**
 * unauthenticated: the token was refused, and the next one too. Sign in again.
 * refused: the service answered with an error that trying again cannot change; `code` is its code, such as NOT_FOUND.
 * closed: the service closed the socket with a code that trying again cannot change; `code` is that.
 * malformed: an update that is none: client and service do not fit together.
 * callback: a function of yours threw; `cause` is what it threw.
 * unreachable: the connection was not made or was lost. Never the end of a watch, only told with the state `offline`.
 */
export type WatchErrorKind = "unauthenticated" | "refused" | "closed" | "malformed" | "callback" | "unreachable";

export class WatchError extends Error {
  override readonly name = "WatchError";
  readonly kind: WatchErrorKind;
  readonly code: string | undefined;

  constructor(kind: WatchErrorKind, message: string, code?: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.code = code;
  }
}

/** Why a subscription ended, and what that asks for: another try, another token, or giving up. */
export interface Failure {
  readonly then: "retry" | "new-token" | "give-up";
  readonly error: WatchError;
  /** Milliseconds to wait at least, where the service said so. */
  readonly retryAfter?: number;
}

const TOKEN_CLOSE_CODES = new Set([4401, 4403]);
/** Malformed message, no common subprotocol, initialised twice: the next connection would do the same. */
const FATAL_CLOSE_CODES = new Set([4400, 4406, 4429]);
const FATAL_ERROR_CODES = new Set(["BAD_USER_INPUT", "FORBIDDEN", "GRAPHQL_VALIDATION_FAILED", "NOT_FOUND"]);

export function unreachable(message: string, cause?: unknown): Failure {
  return { then: "retry", error: new WatchError("unreachable", message, undefined, { cause }) };
}

/** What a close event asks for. */
export function failureOfClose(event: unknown): Failure {
  const code = member(event, "code");
  const message = `The socket was closed: ${String(code)} ${text(member(event, "reason")) ?? ""}`.trimEnd();
  if (typeof code !== "number") {
    return unreachable(message);
  }
  if (TOKEN_CLOSE_CODES.has(code)) {
    return { then: "new-token", error: new WatchError("unauthenticated", message, String(code)) };
  }
  if (FATAL_CLOSE_CODES.has(code)) {
    return { then: "give-up", error: new WatchError("closed", message, String(code)) };
  }
  return { then: "retry", error: new WatchError("unreachable", message, String(code)) };
}

/** What the subscription's GraphQL errors ask for, or whatever else went wrong with it. */
export function failureOf(errors: unknown): Failure {
  if (!Array.isArray(errors)) {
    return unreachable("The connection failed.", errors);
  }
  const first: unknown = errors[0];
  const code = member(member(first, "extensions"), "code");
  const message = text(member(first, "message")) ?? "The subscription failed.";
  if (code === "UNAUTHENTICATED") {
    return { then: "new-token", error: new WatchError("unauthenticated", message, code) };
  }
  if (typeof code === "string" && FATAL_ERROR_CODES.has(code)) {
    return { then: "give-up", error: new WatchError("refused", message, code) };
  }
  const seconds = member(member(first, "extensions"), "retryAfterSeconds");
  return {
    then: "retry",
    error: new WatchError("unreachable", message, text(code)),
    ...(typeof seconds === "number" ? { retryAfter: seconds * 1000 } : {}),
  };
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
