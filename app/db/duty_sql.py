"""The duties of the worker: when each is due, and until when a worker has it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

# One whose period was made shorter does not wait for the end of the longer one.
_REGISTER = """
INSERT INTO worker_duties (name, next_at) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET next_at = least(worker_duties.next_at, $2 + $3)
WHERE worker_duties.next_at > $2 + $3
"""
_TAKE = """
UPDATE worker_duties SET leased_until = $2, started_at = $1 WHERE name = (
    SELECT name FROM worker_duties
    WHERE name = ANY($3::text[]) AND next_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING name, failures
"""
_RENEW = "UPDATE worker_duties SET leased_until = $3 WHERE name = $1 AND leased_until = $2 RETURNING true"
_SUCCEEDED = """
UPDATE worker_duties SET leased_until = NULL, next_at = $3, succeeded_at = $4, duration_ms = $5, failures = 0, last_error = NULL
WHERE name = $1 AND leased_until = $2
"""
_FAILED = """
UPDATE worker_duties SET leased_until = NULL, next_at = $3, failures = failures + 1, last_error = $4
WHERE name = $1 AND leased_until = $2
"""
_RELEASE = "UPDATE worker_duties SET leased_until = NULL WHERE name = $1 AND leased_until = $2"
_STATES = "SELECT name, next_at, succeeded_at, duration_ms, failures FROM worker_duties WHERE name = ANY($1::text[])"


class TakenDuty(NamedTuple):
    """A duty that this worker has until its lease ends."""

    name: str
    failures: int
    """In a row, before this run."""


class DutyState(NamedTuple):
    """How a duty fares. `next_at` stays while it runs."""

    name: str
    next_at: datetime
    succeeded_at: datetime | None
    duration_ms: int | None
    failures: int


async def register(connection: asyncpg.Connection, name: str, now: datetime, period: timedelta) -> None:
    """Make a duty due now if it is new."""
    await connection.execute(_REGISTER, name, now, period)


async def take(connection: asyncpg.Connection, names: Collection[str], now: datetime, until: datetime) -> TakenDuty | None:
    """Take the duty that is due first until then. None: none is due, or others have them."""
    row = await connection.fetchrow(_TAKE, now, until, names)
    return None if row is None else TakenDuty(*row)


async def renew(connection: asyncpg.Connection, name: str, until: datetime, later: datetime) -> bool:
    """Keep a duty longer. Returns False if the lease was over and another worker has it."""
    return bool(await connection.fetchval(_RENEW, name, until, later))


async def succeeded(
    connection: asyncpg.Connection, name: str, until: datetime, next_at: datetime, *, now: datetime, duration_ms: int
) -> None:
    await connection.execute(_SUCCEEDED, name, until, next_at, now, duration_ms)


async def failed(connection: asyncpg.Connection, name: str, until: datetime, next_at: datetime, error: str) -> None:
    await connection.execute(_FAILED, name, until, next_at, error)


async def release(connection: asyncpg.Connection, name: str, until: datetime) -> None:
    """Leave a duty to the next worker, at once."""
    await connection.execute(_RELEASE, name, until)


async def states(connection: asyncpg.Connection, names: Collection[str]) -> list[DutyState]:
    return [DutyState(*row) for row in await connection.fetch(_STATES, names)]
