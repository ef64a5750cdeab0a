"""How fast a relay publishes a long backlog."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from bench.load import closed_loop
from bench.profiles import Profile
from bench.stack import Stack
from bench.traffic import Traffic, batch_completed

_CONNECTIONS = 16
_LOT_SECONDS = 2.0
_GIVE_UP_SECONDS = 300.0


async def catch_up(stack: Stack, traffic: Traffic, profile: Profile) -> dict[str, object]:
    """Events per second, from when a relay leads until the outbox is empty. An event is a settled transfer.

    Raises TimeoutError if the outbox does not become empty.
    """
    await stack.stop_relay()
    connection = await asyncpg.connect(stack.database_url)
    try:
        waiting = await _fill(connection, stack, traffic, profile.catch_up_events)
        started = time.perf_counter()
        await stack.start_relay()
        leads = time.perf_counter()
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                await asyncio.sleep(0.01)
        empty = time.perf_counter()
    finally:
        await connection.close()
    return {
        "per_second": round(waiting / (empty - leads), 1),
        "events": waiting,
        "seconds": round(empty - leads, 2),
        "seconds_to_lead": round(leads - started, 2),
    }


async def _fill(connection: asyncpg.Connection, stack: Stack, traffic: Traffic, events: int) -> int:
    """Make transfers without a relay until at least `events` events wait; return their number."""
    waiting = 0
    while waiting < events:
        seconds = min(_LOT_SECONDS, max(0.2, (events - waiting) / 10_000))
        await closed_loop(stack.port, _CONNECTIONS, seconds, traffic.batch(), batch_completed)
        waiting = await connection.fetchval("SELECT count(*) FROM outbox")
    return waiting
