"""The worker's part that makes statements: one at a time, so that its memory is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from app import ids, tasks
from app.clock import Clock, monotonic
from app.db import statement_file_sql
from app.db.currency_sql import load_currencies
from app.db.failures import DATABASE_ERRORS
from app.db.pool import Database, driver_connection
from app.db.statement_file_sql import Lease, LeaseLost
from app.services.statements import making
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 0.5


class StatementMaker:
    """Makes the statements that nobody else makes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def make_next(self, stop: asyncio.Event) -> float:
        """Make the oldest statement that waits. Returns the seconds to pause after it. Gives it back if `stop` is set."""
        lease = await making.take(self._database)
        if lease is None:
            return _IDLE_SECONDS
        started = monotonic()
        work, stopped = asyncio.create_task(self._make(lease)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            was_done = work.done()
            await tasks.end(stopped, work)
        if was_done and work.result():
            metrics.STATEMENT_SECONDS.observe(monotonic() - started)
        elif not was_done:
            with contextlib.suppress(*DATABASE_ERRORS):
                await making.release(self._database, lease)
        return 0.0

    async def _make(self, lease: Lease) -> bool:
        """Whether it is READY. A worker that dies or fails here leaves it to another, once its lease is over."""
        statement = lease.statement
        name = ids.encode("stm", statement.id)
        try:
            is_ready = await making.make(self._database, await load_currencies(self._database), lease, self._clock)
        except LeaseLost:
            logger.warning("another worker makes statement %s", name)
            return False
        except DATABASE_ERRORS:
            raise
        except Exception:
            logger.exception("statement %s could not be made", name)
            return False
        metrics.STATEMENTS.labels("ready" if is_ready else "failed").inc()
        if is_ready:
            metrics.STATEMENT_ENTRIES.inc(statement.entry_count)
            logger.info("statement %s is ready, with %d entries", name, statement.entry_count)
        else:
            logger.error("statement %s failed", name)
        return is_ready

    async def measure(self) -> None:
        """Measure what waits."""
        async with driver_connection(self._database) as connection:
            waiting, oldest = await statement_file_sql.backlog(connection)
        age = 0.0 if oldest is None else max(0.0, (self._clock() - oldest).total_seconds())
        metrics.STATEMENTS_WAITING.set(waiting)
        metrics.STATEMENT_OLDEST_SECONDS.set(age)
