/** What the tests of the client share: updates as the service sends them, and a watch that writes down what it is told. */

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

/** "SNAPSHOT 3", "ENTRY 4": the kind, and the sequence of the entry or of the state. */
export function told(update: WalletUpdate): string {
  return `${update.kind} ${update.entry?.sequence ?? update.wallet.sequence}`;
}

/** What `told` says of entries. */
export function entriesTold(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `ENTRY ${String(first + index)}`);
}

export interface Diary {
  readonly watch: WalletWatch;
  readonly updates: WalletUpdate[];
  readonly told: string[];
  readonly states: ConnectionState[];
  readonly reasons: WatchError[];
  readonly ends: WatchError[];
  tokensAsked: number;
}

/** Start a watch. Its tokens are token-1, token-2 and so on. */
export function watching(service: Pick<Service, "url">, options: Partial<WatchOptions> = {}): Diary {
  const diary = { updates: [], told: [], states: [], reasons: [], ends: [], tokensAsked: 0 } as unknown as Diary;
  const watch = watchWallet({
    url: service.url,
    walletId: WALLET,
    token: () => Promise.resolve(`token-${String(++diary.tokensAsked)}`),
    onUpdate: (update) => {
      diary.updates.push(update);
      diary.told.push(told(update));
    },
    onState: (current, reason) => {
      diary.states.push(current);
      if (reason !== undefined) {
        diary.reasons.push(reason);
      }
    },
    onEnd: (error) => diary.ends.push(error),
    webSocketImpl: WebSocket,
    timing: TIMING,
    ...options,
  });
  return Object.assign(diary, { watch });
}
