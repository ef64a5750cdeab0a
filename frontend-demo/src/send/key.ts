/** A new idempotency key. Use one key per intent, for all of its requests. */
export function newKey(): string {
  // Not randomUUID: browsers do not have it on pages loaded over plain HTTP from another machine.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
