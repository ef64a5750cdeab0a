"""From positions of events to deliveries: which endpoint gets which event. One worker at a time, in bounded steps."""

from __future__ import annotations

import asyncpg

from app import ids
from app.clock import Clock
from app.db import sequence_sql, webhook_queue_sql

STEP = 200
"""Events of one transaction. Each may have a delivery for each endpoint."""


async def fan_out(connection: asyncpg.Connection, clock: Clock) -> int:
    """Write the deliveries of the next events. Returns how many events there were; 0 also if another worker is at it.

    Events, deliveries and the position are one transaction: killed at any point, the next worker does the same again.
    """
    async with connection.transaction():
        position = await webhook_queue_sql.lock_progress(connection)
        if position is None:
            return 0
        last = await sequence_sql.last_position(connection)
        if last <= position:
            return 0
        # After the last position was read: an endpoint that is committed later is owed only what is sequenced later.
        if not await webhook_queue_sql.has_endpoints(connection):
            await webhook_queue_sql.advance(connection, last)
            return 0
        events = await sequence_sql.events_after(connection, position, STEP)
        found = await webhook_queue_sql.matches(connection, events)
        now = clock()
        if found:
            # In the order of the events, so that a list by id has it too.
            found.sort(key=lambda match: (match.position, match.number))
            new_ids = sorted(ids.new_id(now) for _ in found)
            await webhook_queue_sql.insert_deliveries(connection, list(zip(new_ids, found, strict=True)), now)
        await webhook_queue_sql.advance(connection, events[-1].position)
        return len(events)
