"""The files of statements: which one a worker makes, the entries that it reads, and the parts that it writes.

A worker that makes a statement has its lease. Each part is written in a transaction of its own, which renews the lease: a long
transaction would hold up the relay. A worker that has lost its lease writes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from app.db.archive_sql import SPANS
from app.db.connection import transaction
from app.db.statement_sql import statement_of
from app.db.statements import Reader
from app.records import AccountStatement, StatementFile, StatementFormat

_COLUMNS = ", ".join(f"s.{name}" for name in AccountStatement._fields)
# One whose entries are archived waits until they are restored. `paycore archive` looks before it takes a month, but one may be
# created at that moment.
_TAKE = f"""
WITH next AS (
    SELECT id FROM statements w
    WHERE status = 'PREPARING' AND (leased_until IS NULL OR leased_until < clock_timestamp()) AND NOT EXISTS (
        SELECT FROM ({SPANS}) AS a
        WHERE a.wallet_id = w.wallet_id AND a.first_sequence <= w.last_sequence AND a.last_sequence >= w.first_sequence)
    ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE statements s SET lease = $1, leased_until = clock_timestamp() + $2::float8 * interval '1 second', attempts = attempts + 1
FROM next WHERE s.id = next.id RETURNING {_COLUMNS}, s.attempts
"""  # noqa: S608 - the columns are constants
_CLEAR = "DELETE FROM statement_parts WHERE statement_id = $1"
_DROP = "DELETE FROM statement_parts WHERE statement_id = $1 AND format = ANY($2::statement_format[])"
_RENEW = """
UPDATE statements SET leased_until = clock_timestamp() + $3::float8 * interval '1 second'
WHERE id = $1 AND lease = $2 AND status = 'PREPARING' RETURNING true
"""
_RELEASE = """
UPDATE statements SET lease = NULL, leased_until = NULL WHERE id = $1 AND lease = $2 AND status = 'PREPARING'
"""
_PART = "INSERT INTO statement_parts (statement_id, format, number, content) VALUES ($1, $2::statement_format, $3, $4)"
_FILE = """
INSERT INTO statement_files (statement_id, format, size, parts, sha256, problem)
VALUES ($1, $2::statement_format, $3, $4, $5, $6)
"""
_READY = """
UPDATE statements SET status = 'READY', credits = $3, debits = $4, credit_count = $5, finished_at = greatest($6, created_at),
    lease = NULL, leased_until = NULL
WHERE id = $1 AND lease = $2 AND status = 'PREPARING' RETURNING true
"""
_FAILED = """
UPDATE statements SET status = 'FAILED', problem = $3, finished_at = greatest($4, created_at), lease = NULL, leased_until = NULL
WHERE id = $1 AND lease = $2 AND status = 'PREPARING' RETURNING true
"""
_SUMS = """
SELECT coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS credits,
       coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS debits,
       count(*) FILTER (WHERE amount > 0) AS credit_count, count(*) AS entries, max(created_at) AS newest
FROM ledger_entries
WHERE wallet_id = $1 AND sequence > $2 AND sequence <= $3 AND transaction_id >= $4 AND transaction_id < $5
"""
_LINES = """
SELECT e.sequence, e.created_at, e.amount, e.balance_after, e.purpose::text, e.transaction_id, t.type::text, t.description,
       t.reference, t.reverses_id, CASE WHEN e.purpose = 'PRINCIPAL' THEN CASE e.wallet_id
           WHEN t.sender_wallet_id THEN t.receiver_wallet_id WHEN t.receiver_wallet_id THEN t.sender_wallet_id END END AS other_id
FROM ledger_entries e JOIN transactions t ON t.id = e.transaction_id
WHERE e.wallet_id = $1 AND e.sequence > $2 AND e.sequence <= $3 AND e.transaction_id >= $4 AND e.transaction_id < $5
ORDER BY e.sequence
"""
_BACKLOG = "SELECT count(*), min(created_at) FROM statements WHERE status = 'PREPARING'"
_CONTENT = """
SELECT content FROM statement_parts WHERE statement_id = $1 AND format = $2::statement_format AND number = $3
"""


class LeaseLost(Exception):
    """Another worker makes this statement now."""


class Lease(NamedTuple):
    """What a worker has taken. `id` is this attempt's."""

    statement: AccountStatement
    id: UUID
    attempts: int


class Sums(NamedTuple):
    """Of a range of entries, in minor units. `debits` is not negative."""

    credits: int
    debits: int
    credit_count: int
    entries: int
    newest: datetime | None
    """When the last of them was posted; None if there is none."""

    def plus(self, later: Sums) -> Sums:
        """The sums of both ranges."""
        return Sums(
            self.credits + later.credits,
            self.debits + later.debits,
            self.credit_count + later.credit_count,
            self.entries + later.entries,
            later.newest,
        )


async def take(connection: asyncpg.Connection, lease_id: UUID, seconds: float) -> Lease | None:
    """Take the oldest statement that nobody makes, and remove what an earlier attempt has written. None if there is none."""
    async with transaction(connection):
        row = await connection.fetchrow(_TAKE, lease_id, seconds)
        if row is None:
            return None
        found = Lease(statement_of(row), lease_id, row["attempts"])
        await connection.execute(_CLEAR, found.statement.id)
    return found


async def release(connection: asyncpg.Connection, lease: Lease) -> None:
    """Let another worker take it at once."""
    await connection.execute(_RELEASE, lease.statement.id, lease.id)


async def write_parts(
    connection: asyncpg.Connection, lease: Lease, parts: Sequence[tuple[StatementFormat, int, bytes]], seconds: float
) -> None:
    """Write parts of files, each with its format and number, and renew the lease. Raises LeaseLost."""
    async with transaction(connection):
        if not await connection.fetchval(_RENEW, lease.statement.id, lease.id, seconds):
            raise LeaseLost
        await connection.executemany(
            _PART, [(lease.statement.id, format_.value, number, content) for format_, number, content in parts]
        )


async def finish(connection: asyncpg.Connection, lease: Lease, sums: Sums, files: Sequence[StatementFile], now: datetime) -> None:
    """Make the statement READY with these files. Of a format that cannot hold it, no part remains. Raises LeaseLost."""
    rows = [(one.statement_id, one.format.value, one.size, one.parts, one.sha256, one.problem) for one in files]
    async with transaction(connection):
        if not await connection.fetchval(_RENEW, lease.statement.id, lease.id, 1.0):
            raise LeaseLost
        dropped = [one.format.value for one in files if one.problem is not None]
        await connection.execute(_DROP, lease.statement.id, dropped)
        await connection.executemany(_FILE, rows)
        arguments = (lease.statement.id, lease.id, sums.credits, sums.debits, sums.credit_count, now)
        if not await connection.fetchval(_READY, *arguments):
            raise LeaseLost


async def fail(connection: asyncpg.Connection, lease: Lease, problem: str, now: datetime) -> None:
    """Make the statement FAILED, without files. Raises LeaseLost."""
    async with transaction(connection):
        if not await connection.fetchval(_FAILED, lease.statement.id, lease.id, problem, now):
            raise LeaseLost


async def sums(reader: Reader, wallet_id: UUID, after: int, last: int, between: tuple[UUID, UUID]) -> Sums:
    """Returns the sums of a wallet's entries after a sequence up to another, of transactions with these ids."""
    (row,) = await reader.fetch(_SUMS, wallet_id, after, last, *between)
    return Sums(int(row["credits"]), int(row["debits"]), row["credit_count"], row["entries"], row["newest"])


async def lines(reader: Reader, wallet_id: UUID, after: int, last: int, between: tuple[UUID, UUID]) -> Sequence[Any]:
    """Returns a wallet's entries after a sequence up to another, of transactions with these ids, with what statements show."""
    return await reader.fetch(_LINES, wallet_id, after, last, *between)


async def backlog(connection: asyncpg.Connection) -> tuple[int, datetime | None]:
    """Returns how many statements are PREPARING, and when the oldest was created."""
    row = await connection.fetchrow(_BACKLOG)
    assert row is not None, "a count has a row"
    return row[0], row[1]


async def part(reader: Reader, statement_id: UUID, format_: StatementFormat, number: int) -> bytes:
    """Returns one part of a file as it is stored: compressed. Raises ValueError if it is not there."""
    (row,) = await reader.fetch(_CONTENT, statement_id, format_.value, number)
    content: bytes = row["content"]
    return content
