"""From positions of events to rows of deliveries. What sends the rows is in `webhook_queue_sql.py`.

Each function runs in a transaction of the caller, which has locked the row of `webhook_progress`: one worker at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.db.sequence_sql import Sequenced

_LOCK_PROGRESS = "SELECT position FROM webhook_progress FOR NO KEY UPDATE SKIP LOCKED"
_ADVANCE = "UPDATE webhook_progress SET position = $1"
_HAS_ENDPOINTS = "SELECT EXISTS (SELECT FROM webhook_endpoints WHERE behind_after IS NULL)"

# The wallets of users are the lanes of a transaction. System wallets are in most transactions: one failure would stop all.
_MATCHES_OF = """
WITH events AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[]) AS e (position, kind, subject_id, number)
), entries AS MATERIALIZED (
    SELECT e.position, l.wallet_id, l.sequence, w.owner_id, w.kind = 'USER' AS is_users
    FROM events e JOIN ledger_entries l ON l.transaction_id = e.subject_id JOIN wallets w ON w.id = l.wallet_id
    WHERE e.kind = 'SETTLED'
), settled AS MATERIALIZED (
    SELECT e.position, t.id, t.initiator_id,
           (SELECT coalesce(array_agg(DISTINCT n.wallet_id), '{{}}') FROM entries n WHERE n.position = e.position AND n.is_users)
               AS lanes
    FROM events e JOIN transactions t ON t.id = e.subject_id WHERE e.kind = 'SETTLED'
)
SELECT p.id, n.position, n.wallet_id AS subject_id, n.sequence AS number, ARRAY[n.wallet_id] AS lanes
FROM entries n JOIN webhook_endpoints p ON p.subject_id = n.wallet_id
WHERE p.source = 'WALLET' AND {chosen} AND n.sequence > p.start_number
UNION ALL
SELECT p.id, e.position, e.subject_id, e.number, ARRAY[h.wallet_id]
FROM events e JOIN holds h ON h.id = e.subject_id JOIN webhook_endpoints p ON p.subject_id = h.id
WHERE e.kind = 'HOLD' AND p.source = 'HOLD' AND {chosen} AND e.number > p.start_number
UNION ALL
SELECT p.id, s.position, s.id, 0, s.lanes
FROM settled s JOIN webhook_endpoints p ON p.source = 'SETTLED' AND p.sees_all
WHERE {chosen} AND s.position > p.start_number
UNION ALL
SELECT p.id, s.position, s.id, 0, s.lanes
FROM settled s
CROSS JOIN LATERAL (
    SELECT s.initiator_id AS id UNION SELECT n.owner_id FROM entries n WHERE n.position = s.position
) AS party
JOIN webhook_endpoints p ON p.source = 'SETTLED' AND p.owner_id = party.id
WHERE NOT p.sees_all AND {chosen} AND s.position > p.start_number
"""
_MATCHES = _MATCHES_OF.format(chosen="p.behind_after IS NULL")
_MATCHES_OF_ONE = _MATCHES_OF.format(chosen="p.id = $5")
_INSERT = """
INSERT INTO webhook_deliveries (id, endpoint_id, position, subject_id, number, lanes, created_at, next_attempt_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT ON CONSTRAINT webhook_deliveries_once DO NOTHING
"""
_WAKE = """
UPDATE webhook_endpoints SET due_at = $2
WHERE id = ANY(ARRAY(SELECT id FROM webhook_endpoints WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE))
  AND (due_at IS NULL OR due_at > $2) AND failures = 0
"""
_WAKE_IDLE = "UPDATE webhook_endpoints SET due_at = $2 WHERE id = ANY($1::uuid[]) AND due_at IS NULL"

# Those of these endpoints that take nothing now. Endpoints are always locked in the order of their ids.
_STOP = """
UPDATE webhook_endpoints SET behind_after = $2, look_at = $3
WHERE id = ANY(ARRAY(
    SELECT p.id FROM webhook_endpoints p
    WHERE p.id = ANY($1::uuid[]) AND (
        p.status <> 'ENABLED' OR p.failures >= $4 OR (p.sees_all AND p.rights_until <= $3) OR $5 <= (
            SELECT count(*) FROM (
                SELECT FROM webhook_deliveries d WHERE d.endpoint_id = p.id AND d.delivered_at IS NULL LIMIT $5) AS found))
    ORDER BY p.id FOR NO KEY UPDATE
)) RETURNING id
"""
_LOCK_BEHIND = """
SELECT id, behind_after, failures, due_at FROM webhook_endpoints
WHERE status = 'ENABLED' AND behind_after IS NOT NULL AND look_at <= $1 AND (NOT sees_all OR rights_until > $1)
ORDER BY look_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""
_PUT_OFF = """
UPDATE webhook_endpoints SET look_at = greatest(due_at, $4)
WHERE id = ANY(ARRAY(
    SELECT id FROM webhook_endpoints
    WHERE status = 'ENABLED' AND behind_after IS NOT NULL AND look_at <= $1 AND failures >= $2 AND due_at <= $3
    FOR NO KEY UPDATE SKIP LOCKED))
"""
_COUNT_WAITING = """
SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE endpoint_id = $1 AND delivered_at IS NULL LIMIT $2) AS found
"""
_SET_BEHIND = "UPDATE webhook_endpoints SET behind_after = $2, look_at = $3 WHERE id = $1"
_WAKE_ONE = "UPDATE webhook_endpoints SET due_at = $2 WHERE id = $1 AND (due_at IS NULL OR due_at > $2)"


class Match(NamedTuple):
    """An event that an endpoint gets."""

    endpoint_id: UUID
    position: int
    subject_id: UUID
    number: int
    lanes: list[UUID]


class Behind(NamedTuple):
    """An endpoint whose events have rows up to the position `after`."""

    id: UUID
    after: int
    failures: int
    due_at: datetime | None


async def lock_progress(connection: asyncpg.Connection) -> int | None:
    """Returns the position up to which events have their rows. None: another worker is at it."""
    position: int | None = await connection.fetchval(_LOCK_PROGRESS)
    return position


async def advance(connection: asyncpg.Connection, position: int) -> None:
    await connection.execute(_ADVANCE, position)


async def has_endpoints(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval(_HAS_ENDPOINTS))


async def matches(connection: asyncpg.Connection, events: Sequence[Sequenced]) -> list[Match]:
    """Returns which of the endpoints that are not behind get which of the events."""
    return [Match(*row) for row in await connection.fetch(_MATCHES, *_columns(events))]


async def matches_of(connection: asyncpg.Connection, endpoint_id: UUID, events: Sequence[Sequenced]) -> list[Match]:
    """Returns which of the events one endpoint gets."""
    return [Match(*row) for row in await connection.fetch(_MATCHES_OF_ONE, *_columns(events), endpoint_id)]


def _columns(events: Sequence[Sequenced]) -> list[tuple[object, ...]]:
    return list(zip(*((one.position, one.kind.name, one.subject_id, one.number) for one in events), strict=True))


async def stop(
    connection: asyncpg.Connection, endpoint_ids: Collection[UUID], position: int, now: datetime, *, failures: int, waiting: int
) -> set[UUID]:
    """Let those of the endpoints fall behind that take nothing now: their events have rows up to the position, and no further.

    They are paused, disabled or without the right, or have failed so often, or so many rows wait for them. Returns which.
    """
    return {row[0] for row in await connection.fetch(_STOP, endpoint_ids, position, now, failures, waiting)}


async def lock_behind(connection: asyncpg.Connection, now: datetime) -> Behind | None:
    """Returns the endpoint that is behind and was looked at longest ago, locked."""
    row = await connection.fetchrow(_LOCK_BEHIND, now)
    return None if row is None else Behind(*row)


async def put_off(connection: asyncpg.Connection, now: datetime, *, failures: int, soon: datetime, least: datetime) -> None:
    """Look again at the endpoints that have failed so often and are tried until `soon`: at that trial, and not before `least`."""
    await connection.execute(_PUT_OFF, now, failures, soon, least)


async def count_waiting(connection: asyncpg.Connection, endpoint_id: UUID, most: int) -> int:
    """Returns how many of an endpoint's deliveries are not delivered, up to `most`."""
    found: int = await connection.fetchval(_COUNT_WAITING, endpoint_id, most)
    return found


async def set_behind(connection: asyncpg.Connection, endpoint_id: UUID, after: int | None, look_at: datetime | None) -> None:
    """Write how far an endpoint has its rows. None: it follows all events again."""
    await connection.execute(_SET_BEHIND, endpoint_id, after, look_at)


async def wake(connection: asyncpg.Connection, endpoint_id: UUID, now: datetime) -> None:
    await connection.execute(_WAKE_ONE, endpoint_id, now)


async def insert_deliveries(connection: asyncpg.Connection, found: Sequence[tuple[UUID, Match]], now: datetime) -> None:
    """Insert deliveries with their ids. An event that has its row keeps it."""
    await connection.executemany(_INSERT, [(delivery_id, *match, now) for delivery_id, match in found])
    endpoint_ids = list({match.endpoint_id for _, match in found})
    # An endpoint that fails is not woken before its rest is over.
    await connection.execute(_WAKE, endpoint_ids, now)
    await connection.execute(_WAKE_IDLE, endpoint_ids, now)
