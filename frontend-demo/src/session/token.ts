/** Claims that the page reads from its token. The service verifies the token; the page only chooses its menu by it. */

export interface Claims {
  readonly subject: string;
  readonly isAdmin: boolean;
  /** Seconds since 1970. Null if the token does not expire. */
  readonly expiresAt: number | null;
}

/** Returns null if the text is not a JSON Web Token with a subject. */
export function readToken(token: string): Claims | null {
  try {
    const [, payload = ""] = token.split(".");
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Readonly<Record<string, unknown>>;
    const { sub, role, exp } = claims;
    return typeof sub === "string" ? { subject: sub, isAdmin: role === "admin", expiresAt: typeof exp === "number" ? exp : null } : null;
  } catch {
    return null;
  }
}

export function isFresh(token: string, marginSeconds = 30): boolean {
  const expiresAt = readToken(token)?.expiresAt ?? null;
  return expiresAt === null || expiresAt - marginSeconds > Date.now() / 1000;
}
