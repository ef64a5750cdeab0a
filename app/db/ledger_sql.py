"""The ledger's hot path: set-based statements with array parameters, run by asyncpg as prepared statements.

Locks are always taken in one order: wallets by id, then quotas, then keys. Each statement runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import orjson

from app.db.rows import transaction_of, wallet_of
from app.records import AuditRecord, Entry, Hold, HoldEvent, Transaction, Wallet, WalletKind

if TYPE_CHECKING:
    import asyncpg

# The columns of a wallet that never change. They decide who may name the wallet before anything is locked.
WALLET_FACTS = "SELECT id, kind::text, owner_id FROM wallets WHERE id = ANY($1::uuid[])"

# Each row is returned as of the moment its lock is held, so it is never older than the lock. `has_quota` may be stale (read
# before the lock was granted): a quota set meanwhile applies from the next batch. `newest_fee`, the highest number of a fee
# schedule, cannot be stale: publishing a schedule waits until no batch is in progress.
LOCK_WALLETS = """
SELECT id, kind::text, owner_id, name, currency, balance, held, sequence, status::text, version, posted_at, created_at,
       account_type::text, EXISTS (SELECT FROM quotas WHERE quotas.user_id = wallets.owner_id) AS has_quota,
       (SELECT coalesce(max(number), 0) FROM fee_schedules) AS newest_fee
FROM wallets WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""

_RECORDED = """
FROM unnest({}::uuid[], {}::text[]) AS k (initiator_id, idempotency_key)
JOIN transactions t ON t.initiator_id = k.initiator_id AND t.idempotency_key = k.idempotency_key COLLATE "C"
"""
"""The transactions that have the keys in two parameters."""

# The same for a batch, with whether any of its keys is recorded: most are new, and need no statement of their own. A key that is
# recorded during a wait for a lock may be missing; then RECORD writes nothing.
LOCK_FOR_BATCH = LOCK_WALLETS.replace(
    " AS newest_fee", f" AS newest_fee,\n       EXISTS (SELECT {_RECORDED.format('$2', '$3')}) AS has_recorded"
)

# The same without waiting: rows that another transaction has locked are left out.
_WITHOUT_WAITING = " SKIP LOCKED\n"
LOCK_FREE_WALLETS = LOCK_WALLETS.rstrip() + _WITHOUT_WAITING
LOCK_FREE_FOR_BATCH = LOCK_FOR_BATCH.rstrip() + _WITHOUT_WAITING

# The same without locks, for a decision that is not written: less what has expired, which a batch would record first.
READ_WALLETS = LOCK_WALLETS.replace(" FOR NO KEY UPDATE", "").replace(
    " held,",
    """ held - CASE WHEN held = 0 THEN 0 ELSE (
        SELECT coalesce(sum(h.amount - h.captured - h.released), 0)::bigint FROM holds h
        WHERE h.wallet_id = wallets.id AND h.status = 'OPEN' AND h.expires_at <= clock_timestamp()) END AS held,""",
)

RECORDED_TRANSACTIONS = f"""
SELECT t.id, t.initiator_id, t.idempotency_key, t.type::text, t.status::text, t.sender_wallet_id,
       t.receiver_wallet_id, t.amount, t.currency, t.description, t.failure_code, t.failure_field,
       t.failure_available, t.created_at, t.completed_at, t.reference, t.metadata, t.terms, t.fee, t.fee_schedule_id,
       t.reverses_id, t.hold_id, t.quote_id
{_RECORDED.format("$1", "$2")}"""

# One statement writes everything of a batch. Transactions are sorted by key, so that two processes that write the same keys
# wait for each other in one order. A key that was used meanwhile returns no row; then nothing else is written, and the caller
# starts over. The triggers, which check the chain and move the balances, run after all rows are inserted.
# The events of holds are written before the entries: what a capture pays is then no longer held.
# Outbox events get their ids in this order, under the wallets' locks: of a wallet's events, the later one has the higher id.
# Their time is the wall clock, not the ledger's clock, because the relay's lag is measured by it.
_RECORD = """
WITH recorded AS (
    INSERT INTO transactions ({transaction_columns})
    SELECT * FROM unnest({transaction_arrays})
    ON CONFLICT ON CONSTRAINT transactions_idempotency_key DO NOTHING
    RETURNING id
), {outcome} posted AS (
    INSERT INTO ledger_entries ({entry_columns})
    SELECT entry.* FROM unnest({entry_arrays}) AS entry
    WHERE (SELECT is_complete FROM outcome)
), queued AS (
    INSERT INTO outbox (created_at, payload)
    SELECT clock_timestamp(), payload::json FROM unnest({payloads}) WITH ORDINALITY AS event (payload, position)
    WHERE (SELECT is_complete FROM outcome)
    ORDER BY position
)
SELECT is_complete FROM outcome
"""
_OUTCOME = """outcome AS (
    SELECT count(*) = cardinality($1::uuid[]) AS is_complete FROM recorded
),"""
_OUTCOME_WITH_HOLDS = """outcome_of_transactions AS (
    SELECT count(*) = cardinality($1::uuid[]) AS is_complete FROM recorded
), placed AS (
    INSERT INTO holds ({hold_columns})
    SELECT * FROM unnest({hold_arrays}) WHERE (SELECT is_complete FROM outcome_of_transactions)
), happened AS (
    INSERT INTO hold_events ({event_columns})
    SELECT * FROM unnest({event_arrays}) WHERE (SELECT is_complete FROM outcome_of_transactions)
    ON CONFLICT (initiator_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
), outcome AS (
    SELECT (SELECT is_complete FROM outcome_of_transactions)
        AND (SELECT count(*) FROM happened) = cardinality({event_ids}) AS is_complete
),"""
_TRANSACTION_TYPES = (
    "uuid", "uuid", "text", "transaction_type", "transaction_status", "uuid", "uuid", "bigint", "text", "text", "text", "text",
    "bigint", "timestamptz", "timestamptz", "text", "jsonb", "jsonb", "bigint", "uuid", "uuid", "uuid", "uuid",
)  # fmt: skip
_ENTRY_TYPES = ("uuid", "smallint", "uuid", "bigint", "bigint", "bigint", "timestamptz", "entry_purpose")
_PLAIN_TRANSACTION = Transaction._fields.index("reference")
"""The columns of a plain transfer or deposit, which has nothing in the later ones. Its entries all have the purpose PRINCIPAL."""
_PLAIN_ENTRY = Entry._fields.index("purpose")
_NO_ADDITIONS = (None,) * (len(_TRANSACTION_TYPES) - _PLAIN_TRANSACTION)
_DOCUMENTS = (Transaction._fields.index("metadata"), Transaction._fields.index("terms"))


_PLACED = (
    "id", "wallet_id", "receiver_wallet_id", "initiator_id", "amount", "expires_at", "currency", "description", "metadata",
    "created_at",
)  # fmt: skip
"""The columns of a new hold. Its events change the others."""
_PLACED_TYPES = ("uuid", "uuid", "uuid", "uuid", "bigint", "timestamptz", "text", "text", "jsonb", "timestamptz")
_EVENT_TYPES = (
    "uuid", "int", "uuid", "hold_event_kind", "bigint", "bigint", "bigint", "timestamptz", "timestamptz", "uuid", "text", "jsonb",
)  # fmt: skip


def _record_statement(transaction_columns: int, entry_columns: int, *, with_holds: bool = False) -> str:
    """The statement for rows of this many columns. The others get their defaults."""
    types = [*_TRANSACTION_TYPES[:transaction_columns], *_ENTRY_TYPES[:entry_columns], "text"]
    outcome = _OUTCOME
    if with_holds:
        outcome = _OUTCOME_WITH_HOLDS.format(**_hold_parts(first=len(types) + 1))
    arrays = _arrays(types)
    return _RECORD.format(
        transaction_columns=", ".join(Transaction._fields[:transaction_columns]),
        transaction_arrays=", ".join(arrays[:transaction_columns]),
        outcome=outcome,
        entry_columns=", ".join(Entry._fields[:entry_columns]),
        entry_arrays=", ".join(arrays[transaction_columns:-1]),
        payloads=arrays[-1],
    )


def _hold_parts(first: int) -> dict[str, str]:
    """Columns and parameters of new holds and of events."""
    places = _arrays((*_PLACED_TYPES, *_EVENT_TYPES), first)
    return {
        "hold_columns": ", ".join(_PLACED),
        "hold_arrays": ", ".join(places[: len(_PLACED)]),
        "event_columns": ", ".join(HoldEvent._fields),
        "event_arrays": ", ".join(places[len(_PLACED) :]),
        "event_ids": places[len(_PLACED)],
    }


def _arrays(types: Sequence[str], first: int = 1) -> list[str]:
    return [f"${place}::{type_}[]" for place, type_ in enumerate(types, start=first)]


RECORD = _record_statement(len(_TRANSACTION_TYPES), len(_ENTRY_TYPES))
# Each array costs time to encode and to read, and most batches are plain.
RECORD_PLAIN = _record_statement(_PLAIN_TRANSACTION, _PLAIN_ENTRY)
RECORD_WITH_HOLDS = _record_statement(len(_TRANSACTION_TYPES), len(_ENTRY_TYPES), with_holds=True)

_QUEUE = """
INSERT INTO outbox (created_at, payload)
SELECT clock_timestamp(), payload::json FROM unnest($1::text[]) WITH ORDINALITY AS event (payload, position) ORDER BY position
"""

# A step of a batch without transactions, which would run their triggers for nothing.
_RECORD_HOLDS = """
WITH placed AS (
    INSERT INTO holds ({hold_columns}) SELECT * FROM unnest({hold_arrays})
), happened AS (
    INSERT INTO hold_events ({event_columns}) SELECT * FROM unnest({event_arrays})
    ON CONFLICT (initiator_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
), outcome AS (
    SELECT count(*) = cardinality({event_ids}) AS is_complete FROM happened
), queued AS (
    INSERT INTO outbox (created_at, payload)
    SELECT clock_timestamp(), payload::json FROM unnest($1::text[]) WITH ORDINALITY AS event (payload, position)
    WHERE (SELECT is_complete FROM outcome)
    ORDER BY position
)
SELECT is_complete FROM outcome
"""
RECORD_HOLDS = _RECORD_HOLDS.format(**_hold_parts(first=2))

# Written in the same transaction as the administrator's action. The database sets the time.
AUDIT = """
INSERT INTO audit_log (id, actor_id, action, subject_id, before, after, reason, request_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[]::jsonb[], $6::text[]::jsonb[], $7::text[],
    $8::text[])
"""


async def wallet_facts(connection: asyncpg.Connection, wallet_ids: Iterable[UUID]) -> dict[UUID, tuple[WalletKind, UUID | None]]:
    """Returns the kind and the owner of each wallet that exists."""
    rows = await connection.fetch(WALLET_FACTS, list(wallet_ids))
    return {row[0]: (WalletKind(row[1]), row[2]) for row in rows}


class FoundWallets(NamedTuple):
    """Wallets by id, the owners among them that have a quota, and the highest number of a fee schedule."""

    wallets: dict[UUID, Wallet]
    limited: set[UUID]
    newest_fee: int | None
    """None if there is no wallet."""
    may_be_recorded: bool = True
    """Whether any key of the batch may be recorded."""


async def lock_wallets(connection: asyncpg.Connection, wallet_ids: Iterable[UUID], *, skip_locked: bool = False) -> FoundWallets:
    """Lock the wallets in id order.

    Raises asyncpg.LockNotAvailableError after the lock timeout. With `skip_locked`, locked wallets are left out instead.
    """
    return _found(await connection.fetch(LOCK_FREE_WALLETS if skip_locked else LOCK_WALLETS, list(wallet_ids)))


async def lock_for_batch(
    connection: asyncpg.Connection, wallet_ids: Iterable[UUID], keys: Sequence[tuple[UUID, str]], *, skip_locked: bool
) -> FoundWallets:
    """As `lock_wallets`, and look the keys of a batch up."""
    statement = LOCK_FREE_FOR_BATCH if skip_locked else LOCK_FOR_BATCH
    rows = await connection.fetch(statement, list(wallet_ids), [key[0] for key in keys], [key[1] for key in keys])
    return _found(rows)._replace(may_be_recorded=rows[0]["has_recorded"] if rows else True)


async def read_wallets(connection: asyncpg.Connection, wallet_ids: Iterable[UUID]) -> FoundWallets:
    """As `lock_wallets`, without locks: the wallets as they are in the transaction's snapshot."""
    return _found(await connection.fetch(READ_WALLETS, list(wallet_ids)))


def _found(rows: Sequence[asyncpg.Record]) -> FoundWallets:
    return FoundWallets(
        {row["id"]: wallet_of(row) for row in rows},
        {row["owner_id"] for row in rows if row["has_quota"]},
        rows[0]["newest_fee"] if rows else None,
    )


async def recorded_transactions(
    connection: asyncpg.Connection, keys: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Transaction]:
    """Returns the transactions that have these keys."""
    rows = await connection.fetch(RECORDED_TRANSACTIONS, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["initiator_id"], row["idempotency_key"]): transaction_of(row) for row in rows}


async def record(
    connection: asyncpg.Connection,
    transactions: Sequence[Transaction],
    entries: Sequence[Entry],
    events: Sequence[str],
    *,
    placed: Sequence[Hold] = (),
    happened: Sequence[HoldEvent] = (),
) -> bool:
    """Write transactions, the entries of the completed ones, and outbox events. The database's triggers move the balances.

    `placed` are new holds, `happened` the events of holds, which come before the entries.

    Returns False if a key was used meanwhile: then the caller must roll back.
    """
    if not transactions:
        return await _record_holds(connection, events, placed, happened)
    ordered = sorted(transactions, key=lambda t: (t.initiator_id.int, t.idempotency_key))
    is_plain = not happened and all(transaction[_PLAIN_TRANSACTION:] == _NO_ADDITIONS for transaction in ordered)
    columns, entry_columns = _columns(ordered, len(Transaction._fields)), _columns(entries, len(Entry._fields))
    if is_plain:
        statement, columns, entry_columns = RECORD_PLAIN, columns[:_PLAIN_TRANSACTION], entry_columns[:_PLAIN_ENTRY]
    else:
        statement = RECORD
        for place in _DOCUMENTS:
            columns[place] = _documents(columns[place])
    held: list[list[object]] = []
    if happened:
        statement, held = RECORD_WITH_HOLDS, _held(placed, happened)
    is_complete: bool = await connection.fetchval(statement, *columns, *entry_columns, list(events), *held)
    return is_complete


async def _record_holds(
    connection: asyncpg.Connection, events: Sequence[str], placed: Sequence[Hold], happened: Sequence[HoldEvent]
) -> bool:
    is_complete: bool = await connection.fetchval(RECORD_HOLDS, list(events), *_held(placed, happened))
    return is_complete


def _held(placed: Sequence[Hold], happened: Sequence[HoldEvent]) -> list[list[object]]:
    """The parameters of new holds and of events."""
    rows = (tuple([getattr(hold, name) for name in _PLACED]) for hold in placed)
    columns = [*_columns(rows, len(_PLACED)), *_columns(happened, len(HoldEvent._fields))]
    for place in (_PLACED.index("metadata"), -1):
        columns[place] = _documents(columns[place])
    return columns


def _documents(values: Sequence[object]) -> list[object]:
    """The values of a JSON column as text."""
    return [None if value is None else orjson.dumps(value).decode() for value in values]


async def queue(connection: asyncpg.Connection, events: Sequence[str]) -> None:
    """Put events into the outbox, in their order."""
    await connection.execute(_QUEUE, list(events))


async def audit(connection: asyncpg.Connection, records: Sequence[AuditRecord]) -> None:
    await connection.execute(AUDIT, *_columns(records, 8))


def _columns(rows: Iterable[tuple[object, ...]], count: int) -> list[list[object]]:
    """Returns the rows as `count` columns, the parameters of unnest."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
