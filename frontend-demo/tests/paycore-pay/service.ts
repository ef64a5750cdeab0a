/** A service over real HTTP that records transfers by key, as Paycore does, and whose answers a test can lose or replace. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { memoryStorage, PaymentIntent, transferOver, type IntentOptions, type KeyStorage, type TransferInput, type TransferPayload } from "../../src/paycore-pay/index.js";

export const WANTED = { senderWalletId: "wal_a", receiverWalletId: "wal_b", amount: { amount: "1.00", currency: "USD" } };
export const TIMING = { firstPause: 5, longestPause: 20, mostTries: 4 };

/** "pays": as it should. "loses": pays, and closes the connection. "hangs": pays, and never answers. Otherwise the body of the answer. */
export type Plan = "pays" | "loses" | "hangs" | object;

export class Service {
  /** For one request each, in order; after them it pays. */
  plans: Plan[] = [];
  readonly inputs: TransferInput[] = [];
  readonly tokens: (string | undefined)[] = [];
  readonly ledger = new Map<string, TransferPayload>();
  running = 0;
  mostRunning = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<Service> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Service(server);
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/graphql`;
  }

  get keys(): string[] {
    return this.inputs.map(({ idempotencyKey }) => idempotencyKey);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    response.on("close", () => (this.running -= 1));
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const { variables } = JSON.parse(Buffer.concat(chunks).toString()) as { variables: { input: TransferInput } };
    this.inputs.push(variables.input);
    this.tokens.push(request.headers.authorization);
    const plan = this.plans.shift() ?? "pays";
    if (typeof plan === "object") {
      answer(response, plan);
      return;
    }
    const payload = this.#pay(variables.input);
    if (plan === "pays") {
      answer(response, { data: { transfer: payload } });
    } else if (plan === "loses") {
      request.socket.destroy();
    }
  }

  #pay(input: TransferInput): TransferPayload {
    const earlier = this.ledger.get(input.idempotencyKey);
    if (earlier !== undefined) {
      return { ...earlier, replayed: true };
    }
    const now = "2026-01-01T00:00:00Z";
    const id = `txn_${String(this.ledger.size + 1)}`;
    const transaction = { id, status: "COMPLETED", failureCode: null, createdAt: now, completedAt: now, amount: input.amount };
    const payload = { transaction, replayed: false, userErrors: [] };
    this.ledger.set(input.idempotencyKey, payload);
    return payload;
  }
}

function answer(response: ServerResponse, body: object): void {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(body));
}

/** A GraphQL error without an outcome. */
export function failure(code: string, extensions: object = {}): object {
  return { errors: [{ message: code, extensions: { code, ...extensions } }] };
}

/** A refusal; with a record of it if there is a `transaction`. */
export function refusal(code: string, transaction: object | null = null): object {
  return { data: { transfer: { transaction, replayed: false, userErrors: [{ code, message: code, path: ["input"] }] } } };
}

/** A page with a payment form: what it stores outlives it if another page gets the same `storage`. */
export function page(service: Service, storage: KeyStorage = memoryStorage(), options: Partial<IntentOptions<TransferPayload>> = {}): PaymentIntent {
  const transfer = transferOver({ url: service.url, token: () => Promise.resolve("a-token") });
  return new PaymentIntent({ transfer, owner: "alice", storage, timing: TIMING, ...options });
}

/** Fulfils once the payment is in this phase. */
export function reaches(intent: PaymentIntent, phase: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (intent.state.phase === phase) {
        leave();
        resolve();
      }
    };
    const leave = intent.subscribe(look);
    look();
  });
}
