"""Makes the read models again from the ledger, beside the live ones, and swaps them. Transfers and reads go on.

Killed at any point, it leaves the live models as they are, or has swapped them. The next rebuild removes what it left.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import asyncpg

from app.clock import monotonic
from app.db import archive_sql, projection_sql
from app.db.engine import connect
from app.db.projection_sql import Progress
from app.errors import ConfigurationError
from app.services.projection import project
from app.settings import Settings

STEP = 1000
_REMOVED_AT_ONCE = 10_000
_REPORT_SECONDS = 1.0
_LAST_GENERATION = 32_767
_CONNECTION = {
    "statement_timeout": "60s",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "transaction_timeout": "120s",
    # What a crash undoes is projected again.
    "synchronous_commit": "off",
}


async def rebuild(settings: Settings, say: Callable[[str], None]) -> None:
    """Rebuild the read models, and say how far it is. Raises ConfigurationError if another one runs, or entries are archived."""
    connection = await connect(settings, **_CONNECTION)
    try:
        if not await projection_sql.lock_rebuilds(connection):
            raise ConfigurationError("Another rebuild of the read models, or `paycore archive`, is running.")
        live = await _remove_others(connection)
        if await archive_sql.has_archives(connection):
            raise ConfigurationError("Months of entries are archived: run `paycore restore` for each of them first.")
        beside = live % _LAST_GENERATION + 1
        await projection_sql.begin_generation(connection, beside)
        await _fill(connection, beside, say)
        count = await _swap(connection, beside, live)
        say(f"The rebuilt read models are live, at position {count}. Removing the old ones …")
        await _remove_others(connection)
        say("Done.")
    finally:
        await connection.close()


async def _remove_others(connection: asyncpg.Connection) -> int:
    """Remove all generations that are not live. Returns the one that is."""
    found = await projection_sql.generations(connection)
    for generation in (generation for generation, is_live in found.items() if not is_live):
        while await projection_sql.remove_rows(connection, generation, _REMOVED_AT_ONCE):
            pass
        await projection_sql.forget_generation(connection, generation)
    return next(generation for generation, is_live in found.items() if is_live)


async def _fill(connection: asyncpg.Connection, generation: int, say: Callable[[str], None]) -> None:
    """Project all events that have a position."""
    started, said_at, events = monotonic(), 0.0, 0
    while True:
        async with connection.transaction():
            progress = await _locked(connection, generation)
            count = await project(connection, progress, STEP)
        events += count
        if count < STEP:
            return
        if monotonic() >= said_at + _REPORT_SECONDS:
            said_at = monotonic()
            last = (await projection_sql.state(connection)).last
            rate = events / (said_at - started + 0.001)
            left = timedelta(seconds=round((last - progress.position) / rate))
            say(f"Position {progress.position} of {last}, {rate:,.0f} events a second, about {left} left")


async def _swap(connection: asyncpg.Connection, generation: int, live: int) -> int:
    """Project what has come meanwhile, while no worker projects, and make the generation live. Returns its position."""
    async with connection.transaction():
        current = await _locked(connection, live)
        progress = await _locked(connection, generation)
        while progress.position < current.position:
            await project(connection, progress, STEP)
            progress = await _locked(connection, generation)
        await projection_sql.make_live(connection, generation, live)
        return progress.position


async def _locked(connection: asyncpg.Connection, generation: int) -> Progress:
    progress = await projection_sql.lock_generation(connection, generation)
    assert progress is not None, "only this command removes generations"
    return progress
