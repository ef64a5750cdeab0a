/** Shared by the client's tests: updates as the service sends them, and a watch that records its callbacks. */

import WebSocket from "ws";
import type { ConnectionState, Position, WalletUpdate, WatchError, WatchOptions } from "../../src/paycore-live/index.js";
import { watchWallet, type WalletWatch } from "../../src/paycore-live/index.js";
import type { Service } from "./service.js";

export const WALLET = "wal_01jgfjjz00e008000000000011";
export const TIMING = { firstRetry: 10, longestRetry: 40, connect: 10_000, ping: 10_000, pong: 10_000, steady: 60_000 };

type Sequence = number | bigint;

export function cursorAt(sequence: Sequence): string {
  return `cursor-${String(sequence)}`;
}

export function positionAt(sequence: Sequence): Position {
  return { cursor: cursorAt(sequence), sequence: String(sequence) };
}

export function wallet(sequence: Sequence, status = "ACTIVE"): object {
  const money = { amount: `${String(sequence)}.00`, currency: "USD" };
  return { id: WALLET, name: "Daily", currency: "USD", status, sequence: String(sequence), balance: money, available: money };
}

export function snapshot(sequence: Sequence): object {
  return { kind: "SNAPSHOT", cursor: cursorAt(sequence), wallet: wallet(sequence), entry: null };
}

export function state(sequence: Sequence, status: string): object {
  return { kind: "STATE", cursor: cursorAt(sequence), wallet: wallet(sequence, status), entry: null };
}

export function entry(sequence: Sequence): object {
  return {
    kind: "ENTRY",
    cursor: cursorAt(sequence),
    wallet: wallet(sequence),
    entry: {
      id: `ent_${String(sequence)}`,
      sequence: String(sequence),
      direction: "CREDIT",
      createdAt: "2026-01-01T00:00:00Z",
      amount: { amount: "1.00", currency: "USD" },
      balanceAfter: { amount: `${String(sequence)}.00`, currency: "USD" },
      transaction: {
        id: `txn_${String(sequence)}`,
        type: "TRANSFER",
        description: null,
        sender: { walletId: "wal_01jgfjjz00e00800000000000h", displayName: "Alice" },
        receiver: null,
      },
    },
  };
}

export function entries(first: number, last: number): object[] {
  return Array.from({ length: last - first + 1 }, (_, index) => entry(first + index));
}

/** The kind and the sequence of the entry or of the wallet, such as "SNAPSHOT 3" or "ENTRY 4". */
export function summary(update: WalletUpdate): string {
  return `${update.kind} ${update.entry?.sequence ?? update.wallet.sequence}`;
}

/** The summaries of the entries from `first` to `last`. */
export function entrySummaries(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `ENTRY ${String(first + index)}`);
}

export interface WatchLog {
  readonly watch: WalletWatch;
  readonly updates: WalletUpdate[];
  readonly summaries: string[];
  readonly states: ConnectionState[];
  readonly reasons: WatchError[];
  readonly ends: WatchError[];
  tokenRequests: number;
}

/** Starts a watch that records its callbacks. Its tokens are token-1, token-2 and so on. */
export function watching(service: Pick<Service, "url">, options: Partial<WatchOptions> = {}): WatchLog {
  const log = { updates: [], summaries: [], states: [], reasons: [], ends: [], tokenRequests: 0 } as unknown as WatchLog;
  const watch = watchWallet({
    url: service.url,
    walletId: WALLET,
    token: () => Promise.resolve(`token-${String(++log.tokenRequests)}`),
    onUpdate: (update) => {
      log.updates.push(update);
      log.summaries.push(summary(update));
    },
    onState: (current, reason) => {
      log.states.push(current);
      if (reason !== undefined) {
        log.reasons.push(reason);
      }
    },
    onEnd: (error) => log.ends.push(error),
    webSocketImpl: WebSocket,
    timing: TIMING,
    ...options,
  });
  return Object.assign(log, { watch });
}
