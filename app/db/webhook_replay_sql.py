"""Deliveries that are scheduled by a person: again, for what was missed, or as a test. As in `webhook_queue_sql.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from app import ids

_AGAIN = """
UPDATE webhook_deliveries SET failures = 0, delivered_at = NULL, next_attempt_at = $2, leased_until = NULL, payload = NULL
WHERE endpoint_id = $1 AND subject_id <> endpoint_id AND {condition}
"""
_ONE_AGAIN = _AGAIN.format(condition="id = $3")
_SINCE_AGAIN = _AGAIN.format(condition="created_at >= $3")
_WALLET_AGAIN = _AGAIN.format(condition="subject_id = $3 AND number > $4")
_COUNT_SINCE = """
SELECT count(*) FROM (
    SELECT FROM webhook_deliveries WHERE endpoint_id = $1 AND subject_id <> endpoint_id AND created_at >= $2 LIMIT $3) AS found
"""
_LAST_BEFORE = """
SELECT sequence FROM ledger_entries
WHERE wallet_id = $1 AND created_at < $2 AND transaction_id >= $3 AND transaction_id < $4 ORDER BY sequence DESC LIMIT 1
"""

# The position of each entry's transaction. One without a position gets its delivery when it has one.
_ENTRIES = """
SELECT l.sequence, c.position FROM ledger_entries l LEFT JOIN LATERAL (
    SELECT first_position + array_position(subject_ids, l.transaction_id) - 1 AS position FROM event_chunks
    WHERE highest_transaction_id >= l.transaction_id AND lowest_transaction_id <= l.transaction_id
      AND l.transaction_id = ANY (subject_ids)
    ORDER BY highest_transaction_id LIMIT 1
) AS c ON true
WHERE l.wallet_id = $1 AND l.sequence > $2 ORDER BY l.sequence LIMIT $3
"""
_INSERT = """
INSERT INTO webhook_deliveries (id, endpoint_id, subject_id, number, position, lanes, created_at, next_attempt_at)
VALUES ($1, $2, CAST($3 AS uuid), $4, $5, ARRAY[CAST($3 AS uuid)], $6, $6)
ON CONFLICT ON CONSTRAINT webhook_deliveries_once DO NOTHING
"""
_INSERT_TEST = """
INSERT INTO webhook_deliveries (id, endpoint_id, subject_id, number, position, lanes, created_at, next_attempt_at, payload)
VALUES ($1, $2, $2, $3, 1, '{}', $4, $4, $5)
"""
_LOCK = "SELECT start_number FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE"
_WAKE = "UPDATE webhook_endpoints SET due_at = $2 WHERE id = $1"


_RECENT = timedelta(days=31)
"""How far back from a moment a wallet's last entry is looked for first. If there is none, everything older is read."""


class Place(NamedTuple):
    """An entry of a wallet, and its position among all events. None: it has none yet."""

    sequence: int
    position: int | None


async def lock(connection: asyncpg.Connection, endpoint_id: UUID) -> int:
    """Lock an endpoint. Returns its start number."""
    found: int = await connection.fetchval(_LOCK, endpoint_id)
    return found


async def wake(connection: asyncpg.Connection, endpoint_id: UUID, now: datetime) -> None:
    await connection.execute(_WAKE, endpoint_id, now)


async def deliver_again(connection: asyncpg.Connection, endpoint_id: UUID, delivery_id: UUID, now: datetime) -> int:
    """Schedule one delivery again. Returns 1, or 0 if it is not one of this endpoint's."""
    return _count(await connection.execute(_ONE_AGAIN, endpoint_id, now, delivery_id))


async def count_since(connection: asyncpg.Connection, endpoint_id: UUID, since: datetime, most: int) -> int:
    found: int = await connection.fetchval(_COUNT_SINCE, endpoint_id, since, most)
    return found


async def deliver_again_since(connection: asyncpg.Connection, endpoint_id: UUID, since: datetime, now: datetime) -> int:
    """Schedule all deliveries since then again. Returns how many."""
    return _count(await connection.execute(_SINCE_AGAIN, endpoint_id, now, since))


async def last_sequence_before(connection: asyncpg.Connection, wallet_id: UUID, moment: datetime) -> int:
    """Returns the sequence of the wallet's last entry before then, or 0."""
    high = ids.id_floor(moment + ids.POSTED_WITHIN)
    for low in (ids.id_floor(moment - _RECENT), ids.LOWEST):
        found: int | None = await connection.fetchval(_LAST_BEFORE, wallet_id, moment, low, high)
        if found is not None:
            return found
    return 0


async def entries_after(connection: asyncpg.Connection, wallet_id: UUID, sequence: int, most: int) -> list[Place]:
    return [Place(*row) for row in await connection.fetch(_ENTRIES, wallet_id, sequence, most)]


async def deliver_entries(
    connection: asyncpg.Connection,
    endpoint_id: UUID,
    wallet_id: UUID,
    found: Sequence[tuple[UUID, Place]],
    *,
    after: int,
    now: datetime,
) -> None:
    """Schedule a delivery for each of these entries, again where there is one."""
    await connection.execute(_WALLET_AGAIN, endpoint_id, now, wallet_id, after)
    rows = [(new_id, endpoint_id, wallet_id, place.sequence, place.position, now) for new_id, place in found]
    await connection.executemany(_INSERT, rows)


async def insert_test(
    connection: asyncpg.Connection, delivery_id: UUID, endpoint_id: UUID, number: int, *, now: datetime, payload: str
) -> None:
    await connection.execute(_INSERT_TEST, delivery_id, endpoint_id, number, now, payload)


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
