/**
 * The receipt without what only its holder may know: words, key and balances stay closed. It verifies all the same, and it is short enough
 * for a QR code that others may see.
 */
export function bareReceipt(receipt: string): string {
  return receipt.replace(/^extra (.*)$/m, (_, extra: string) => {
    const { leaf } = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(extra), (letter) => letter.charCodeAt(0)))) as { leaf: string };
    return `extra ${btoa(JSON.stringify({ leaf, openings: [] }))}`;
  });
}

/** What stands in a receipt in the clear: the size of the log that its checkpoint has signed. Null if it has none. */
export function signedSize(receipt: string): string | null {
  return receipt.slice(receipt.indexOf("\n\n") + 2).split("\n")[1] ?? null;
}
