import { Line, type LineOptions, type Member } from "./line.js";
import type { Timing, WebSocketClass } from "./types.js";

export interface SocketOptions {
  /** Of the GraphQL endpoint: wss://…/graphql. */
  readonly url: string;
  /** Asked at each connect. Where it rejects, the watches try again later. */
  readonly token: () => Promise<string>;
  /** The class to make sockets with; needed where there is no global one, as in Node before 22. */
  readonly webSocketImpl?: WebSocketClass;
  readonly timing?: Partial<Timing>;
}

const TIMING: Timing = { firstRetry: 500, longestRetry: 15_000, connect: 10_000, ping: 15_000, pong: 5_000, steady: 10_000 };

/**
 * The connection that watches share: there while one of them needs it, made anew when they try again after it was lost.
 * All of its watches speak as the same user. Throws TypeError for options that cannot work.
 */
export class LiveSocket {
  readonly timing: Timing;
  readonly #options: LineOptions;
  #line: Line | null = null;

  constructor(options: SocketOptions) {
    const { url, token } = options;
    this.timing = { ...TIMING, ...options.timing };
    this.#options = { url: webSocketUrl(url), token, timing: this.timing, webSocketImpl: webSocketClass(options) };
  }

  /** Subscribe on the present connection, or on a new one where there is none; the function returned takes it back. */
  join(member: Member): () => void {
    if (this.#line?.isUsable !== true) {
      this.#line = new Line(this.#options);
    }
    const line = this.#line;
    line.join(member);
    return () => line.leave(member);
  }
}

function webSocketUrl(url: string): string {
  const { protocol } = new URL(url);
  if (protocol !== "ws:" && protocol !== "wss:") {
    throw new TypeError(`The url of a watch begins with ws: or wss:, not ${protocol}`);
  }
  return url;
}

function webSocketClass(options: SocketOptions): WebSocketClass {
  const found = options.webSocketImpl ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (found === undefined) {
    throw new TypeError("There is no WebSocket here: pass webSocketImpl, such as that of the package ws.");
  }
  return found;
}
