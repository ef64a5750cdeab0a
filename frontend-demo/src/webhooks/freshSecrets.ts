/** Secrets that were made just now, on the way to their endpoint's page. In the page's memory only: a reload forgets them. */
const fresh = new Map<string, string>();

export function keepSecret(endpointId: string, secret: string | null): void {
  if (secret !== null) {
    fresh.set(endpointId, secret);
  }
}

export function freshSecret(endpointId: string): string | null {
  return fresh.get(endpointId) ?? null;
}

export function forgetSecret(endpointId: string): void {
  fresh.delete(endpointId);
}
