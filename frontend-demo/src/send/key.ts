/** A new idempotency key: one for each thing that somebody wants, however often it is sent. */
export function newKey(): string {
  // Not randomUUID: it is missing where a page came over plain HTTP from another machine.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
