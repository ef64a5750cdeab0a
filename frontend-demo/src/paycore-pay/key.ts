/** A new idempotency key. Use one for each payment that somebody wants, however often it is sent. */
export function newKey(): string {
  // Not randomUUID: it is missing if a page came over plain HTTP from another machine.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
