"""The deliveries as a queue: workers lease rows, and what came of each attempt is written. `webhook_fan_out_sql.py` fills it.

Each function runs in a transaction of the caller. All that change an endpoint and its deliveries lock the endpoint first, so
that none waits for another in a circle.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app.db.webhook_sql import endpoint_of
from app.records import WebhookDelivery, WebhookEndpoint, WebhookStatus

_ENDPOINT = ", ".join(WebhookEndpoint._fields)
_LOCK_DUE = f"""
SELECT {_ENDPOINT} FROM webhook_endpoints
WHERE status = 'ENABLED' AND due_at <= $1 AND (failures = 0 OR $2) AND (NOT sees_all OR rights_until > $1)
ORDER BY due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - the columns of a record

# Those between two attempts, and the first of all others in lanes that have none of those: however many events wait behind
# one that fails, they are not read.
_WAITING = """
WITH stuck AS MATERIALIZED (
    SELECT id, lanes, next_attempt_at, leased_until, position, number FROM webhook_deliveries
    WHERE endpoint_id = $1 AND delivered_at IS NULL AND (failures > 0 OR next_attempt_at IS NULL)
), blocked AS MATERIALIZED (
    SELECT coalesce(array_agg(DISTINCT lane), '{}') AS lanes FROM stuck CROSS JOIN unnest(stuck.lanes) AS lane WHERE $2
), others AS (
    SELECT id, lanes, next_attempt_at, leased_until, position, number FROM webhook_deliveries
    WHERE endpoint_id = $1 AND delivered_at IS NULL AND failures = 0 AND next_attempt_at IS NOT NULL
      AND NOT lanes && (SELECT lanes FROM blocked)
    ORDER BY position, number LIMIT 200
)
SELECT id, lanes, next_attempt_at, leased_until FROM (SELECT * FROM stuck UNION ALL SELECT * FROM others) AS found
ORDER BY position, number
"""
_LEASE = f"""
UPDATE webhook_deliveries SET leased_until = $2 WHERE id = ANY($1::uuid[]) RETURNING {", ".join(WebhookDelivery._fields)}
"""  # noqa: S608 - the columns of a record
_SET_DUE = "UPDATE webhook_endpoints SET due_at = $2 WHERE id = $1"

_LOCK_ENDPOINT = "SELECT failures, failing_since, status FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE"
_FINISH = """
UPDATE webhook_deliveries SET attempts = attempts + 1, failures = $3, delivered_at = $4, next_attempt_at = $5,
       leased_until = NULL, payload = $6
WHERE id = $1 AND leased_until = $2 RETURNING attempts
"""
_ATTEMPT = """
INSERT INTO webhook_attempts (delivery_id, number, at, duration_ms, status, error, response_body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_SET_HEALTH = """
UPDATE webhook_endpoints SET failures = $2, failing_since = $3, due_at = $4,
       status = CASE WHEN $5 AND deleted_at IS NULL THEN 'DISABLED_FAILING' ELSE status END,
       look_at = CASE WHEN behind_after IS NOT NULL AND failures > 0 AND $2 = 0 THEN $4 ELSE look_at END
WHERE id = $1
"""
_ALL_DUE = """
UPDATE webhook_deliveries SET next_attempt_at = $2
WHERE endpoint_id = $1 AND delivered_at IS NULL AND failures > 0 AND next_attempt_at > $2 AND leased_until IS NULL
"""
_FORGET_OLD_KEYS = "UPDATE webhook_endpoints SET old_keys = NULL, old_keys_until = NULL WHERE old_keys_until < $1"
_REMOVE_OLD = """
DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
    SELECT id FROM webhook_deliveries WHERE delivered_at < $1 ORDER BY delivered_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""
_REMOVE_DELETED = """
DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
    SELECT d.id FROM webhook_endpoints p JOIN webhook_deliveries d ON d.endpoint_id = p.id
    WHERE p.deleted_at IS NOT NULL LIMIT $1 FOR UPDATE OF d SKIP LOCKED))
"""
_REMOVE_ENDPOINTS = """
DELETE FROM webhook_endpoints p
WHERE deleted_at < $1 AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = p.id)
"""
_PAUSE_WITHOUT_RIGHT = """
UPDATE webhook_endpoints SET status = 'PAUSED' WHERE status = 'ENABLED' AND sees_all AND rights_until <= $1
"""
_STOPPED = """
SELECT count(*) FROM webhook_endpoints
WHERE deleted_at IS NULL AND (status = 'DISABLED_FAILING' OR (status = 'ENABLED' AND behind_after IS NOT NULL)
                              OR (status = 'PAUSED' AND sees_all AND rights_until <= $1))
"""
_BACKLOG = """
SELECT count(*) AS waiting, min(created_at) AS oldest FROM (
    SELECT created_at FROM webhook_deliveries WHERE delivered_at IS NULL LIMIT 100000) AS found
"""


class Row(NamedTuple):
    """A delivery that is not delivered. Neither time: parked."""

    id: UUID
    lanes: list[UUID]
    next_attempt_at: datetime | None
    leased_until: datetime | None


class Health(NamedTuple):
    """How an endpoint fares."""

    failures: int
    failing_since: datetime | None
    status: WebhookStatus


class Finished(NamedTuple):
    """What to write about a delivery after an attempt."""

    failures: int
    delivered_at: datetime | None
    next_attempt_at: datetime | None
    payload: str | None


async def lock_due(connection: asyncpg.Connection, now: datetime, *, also_failing: bool) -> WebhookEndpoint | None:
    """Returns the endpoint that is due first, locked. Another worker's are skipped."""
    row = await connection.fetchrow(_LOCK_DUE, now, also_failing)
    return None if row is None else endpoint_of(row)


async def waiting(connection: asyncpg.Connection, endpoint: WebhookEndpoint) -> list[Row]:
    """Returns what may be an endpoint's next deliveries, in the ledger's order."""
    return [Row(*row) for row in await connection.fetch(_WAITING, endpoint.id, endpoint.ordered)]


async def lease(connection: asyncpg.Connection, delivery_ids: Collection[UUID], until: datetime) -> list[WebhookDelivery]:
    """Take deliveries until then: no other worker takes them before."""
    return [WebhookDelivery(*row) for row in await connection.fetch(_LEASE, delivery_ids, until)]


async def set_due(connection: asyncpg.Connection, endpoint_id: UUID, due_at: datetime | None) -> None:
    await connection.execute(_SET_DUE, endpoint_id, due_at)


async def lock_endpoint(connection: asyncpg.Connection, endpoint_id: UUID) -> Health:
    row = await connection.fetchrow(_LOCK_ENDPOINT, endpoint_id)
    assert row is not None, "the row of an endpoint stays while there are deliveries"
    return Health(row["failures"], row["failing_since"], WebhookStatus(row["status"]))


async def finish(connection: asyncpg.Connection, delivery_id: UUID, leased_until: datetime, done: Finished) -> int | None:
    """Write what came of an attempt. Returns its number, or None if the lease was over and another worker has the delivery."""
    number: int | None = await connection.fetchval(_FINISH, delivery_id, leased_until, *done)
    return number


async def insert_attempt(
    connection: asyncpg.Connection,
    delivery_id: UUID,
    number: int,
    at: datetime,
    answer: tuple[int, int | None, str | None, str | None],
) -> None:
    """`answer`: duration in milliseconds, status, error, body."""
    await connection.execute(_ATTEMPT, delivery_id, number, at, *answer)


async def set_health(
    connection: asyncpg.Connection,
    endpoint_id: UUID,
    failures: int,
    failing_since: datetime | None,
    due_at: datetime,
    *,
    is_disabled: bool,
) -> None:
    await connection.execute(_SET_HEALTH, endpoint_id, failures, failing_since, due_at, is_disabled)


async def make_all_due(connection: asyncpg.Connection, endpoint_id: UUID, now: datetime) -> None:
    """Let all deliveries of an endpoint that wait for their next attempt be tried now, because it answers again."""
    await connection.execute(_ALL_DUE, endpoint_id, now)


async def forget_old_keys(connection: asyncpg.Connection, now: datetime) -> None:
    await connection.execute(_FORGET_OLD_KEYS, now)


async def remove_delivered(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    """Remove up to `limit` deliveries, with their attempts, that were delivered before then. Returns how many."""
    tag: str = await connection.execute(_REMOVE_OLD, before, limit)
    return int(tag.rpartition(" ")[2])


async def remove_deleted(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    """Remove up to `limit` deliveries of deleted endpoints, and the endpoints that were deleted before then. Returns how many.

    The row of an endpoint stays so long for its idempotency key, and for attempts that are in flight.
    """
    tag: str = await connection.execute(_REMOVE_DELETED, limit)
    await connection.execute(_REMOVE_ENDPOINTS, before)
    return int(tag.rpartition(" ")[2])


async def pause_without_right(connection: asyncpg.Connection, now: datetime) -> int:
    """Pause endpoints that see everything and whose owner's right has ended. Returns how many."""
    tag: str = await connection.execute(_PAUSE_WITHOUT_RIGHT, now)
    return int(tag.rpartition(" ")[2])


async def stopped(connection: asyncpg.Connection, now: datetime) -> int:
    """Returns how many endpoints get nothing, although their owners have not paused them."""
    found: int = await connection.fetchval(_STOPPED, now)
    return found


async def backlog(connection: asyncpg.Connection) -> tuple[int, datetime | None]:
    """Returns how many deliveries wait, up to 100,000, and when the oldest of these was created."""
    (row,) = await connection.fetch(_BACKLOG)
    return row["waiting"], row["oldest"]
