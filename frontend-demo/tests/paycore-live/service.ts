/** A minimal graphql-transport-ws server. A test decides each message that it sends, valid or not. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocketServer, type WebSocket } from "ws";

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: {
    readonly Authorization?: string;
    readonly query?: string;
    readonly variables?: { readonly walletId: string; readonly after?: string };
  };
}

/** One socket of a client. */
export class Connection {
  readonly socket: WebSocket;
  token: string | undefined;
  /** Set once the client has subscribed. `after` is undefined if the client gave none. */
  subscription: { readonly id: string; readonly walletId: string; readonly after: string | undefined } | null = null;
  /** Ids of all subscriptions, by wallet. */
  readonly idOf = new Map<string, string>();
  readonly completed: string[] = [];
  isClosed = false;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("close", () => (this.isClosed = true));
  }

  send(message: Readonly<Record<string, unknown>>): void {
    this.socket.send(JSON.stringify(message));
  }

  update(...updates: readonly object[]): void {
    for (const walletUpdated of updates) {
      this.send({ id: this.subscription?.id, type: "next", payload: { data: { walletUpdated } } });
    }
  }

  /** Send updates to one of several subscriptions. */
  updateOf(walletId: string, ...updates: readonly object[]): void {
    for (const walletUpdated of updates) {
      this.send({ id: this.idOf.get(walletId), type: "next", payload: { data: { walletUpdated } } });
    }
  }

  /** Close with this code. Without a code, drop the connection without a close frame. */
  close(code?: number): void {
    if (code === undefined) {
      this.socket.terminate();
    } else {
      this.socket.close(code, "closed by the test");
    }
  }
}

export class Service {
  readonly connections: Connection[] = [];
  /** The close code for a token, or null to accept it. */
  refuse: (token: string | undefined) => number | null = () => null;
  onSubscribe: (connection: Connection) => void = () => undefined;
  answersPings = true;
  #server: WebSocketServer;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on("connection", (socket) => this.#serve(new Connection(socket)));
  }

  static async start(): Promise<Service> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "graphql-transport-ws" });
    await once(server, "listening");
    return new Service(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/graphql`;
  }

  /** Resolves to the connection with this index, once the client has subscribed on it. */
  async subscribed(index: number): Promise<Connection> {
    await soon(() => this.connections[index]?.subscription);
    return this.connections[index]!;
  }

  get open(): number {
    return this.#server.clients.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) {
      socket.terminate();
    }
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(connection: Connection): void {
    this.connections.push(connection);
    connection.socket.on("message", (text: Buffer) => {
      const message = JSON.parse(text.toString()) as Message;
      if (message.type === "connection_init") {
        connection.token = message.payload?.Authorization?.replace("Bearer ", "");
        const code = this.refuse(connection.token);
        if (code === null) {
          connection.send({ type: "connection_ack" });
        } else {
          connection.close(code);
        }
      } else if (message.type === "subscribe") {
        const { walletId = "", after } = message.payload?.variables ?? {};
        connection.subscription = { id: message.id ?? "", walletId, after };
        connection.idOf.set(walletId, message.id ?? "");
        this.onSubscribe(connection);
      } else if (message.type === "complete") {
        connection.completed.push(message.id ?? "");
      } else if (message.type === "ping" && this.answersPings) {
        connection.send({ type: "pong" });
      }
    });
  }
}

/** Resolves once the condition holds. Throws after `milliseconds`. */
export async function soon(condition: () => unknown, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) {
      throw new Error(`This did not happen in time: ${condition.toString()}`);
    }
    await pause(2);
  }
}

export { pause };
