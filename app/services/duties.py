"""Duties: what one worker at a time does now and then, such as removing old rows.

A row for each duty in `worker_duties` says when it is due. A worker takes it with a lease that it renews while it runs. A worker
that is killed leaves the duty to the next one when the lease ends; one that was suspended may then still run for a moment beside
it. So a duty may be cut off at any instruction, and may run twice at once: each of its steps is a transaction of its own that
does no harm when it is done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from app import tasks
from app.clock import Clock, monotonic
from app.db import duty_sql
from app.db.duty_sql import TakenDuty
from app.db.failures import DATABASE_ERRORS
from app.db.pool import Database, driver_connection
from app.telemetry import metrics

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_RENEWALS = 4
"""Of each lease: one that cannot be renewed in time is given up."""
_LOOK_SECONDS = 1.0
_MEASURE_SECONDS = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)
_ERRORS = (SQLAlchemyError, *DATABASE_ERRORS)


@dataclass(frozen=True, slots=True)
class Duty:
    """`run` is called every `period`, from the end of one run to the start of the next. True: at once again, more is left."""

    name: str
    period: timedelta
    run: Callable[[], Coroutine[None, None, bool]]


class LeaseLost(Exception):
    """The lease could not be renewed in time, so another worker may have the duty."""


class Duties:
    """The duties of one worker."""

    def __init__(self, engine: Database, duties: Sequence[Duty], clock: Clock) -> None:
        self._engine = engine
        self._duties = {duty.name: duty for duty in duties}
        assert len(self._duties) == len(duties), "each duty has a name of its own"
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}
        self._leased_until: dict[str, datetime] = {}
        self._is_registered = False
        self._measured_at: float | None = None

    async def step(self) -> float:
        """Start what is due and no worker is at. Returns the seconds to pause after it. Raises the database's errors."""
        async with driver_connection(self._engine) as connection:
            await self._register(connection)
            if self._measured_at is None or monotonic() - self._measured_at >= _MEASURE_SECONDS:
                await self._measure(connection)
            idle = self._duties.keys() - self._running.keys()
            now = self._clock()
            taken = await duty_sql.take(connection, list(idle), now, now + LEASE)
        if taken is None:
            return _LOOK_SECONDS
        self._leased_until[taken.name] = now + LEASE
        task = asyncio.create_task(self._run(taken), name=f"duty-{taken.name}")
        self._running[taken.name] = task
        task.add_done_callback(lambda _: self._running.pop(taken.name, None))
        return 0.0

    async def end(self) -> None:
        """Stop what is running. Another worker can take it at once."""
        await tasks.end(*self._running.values())

    async def _run(self, taken: TakenDuty) -> None:
        duty, started = self._duties[taken.name], monotonic()
        try:
            is_more_left = await self._while_leased(duty)
            now = self._clock()
            next_at, duration_ms = now if is_more_left else now + duty.period, round((monotonic() - started) * 1000)
            async with driver_connection(self._engine) as connection:
                await duty_sql.succeeded(
                    connection, duty.name, self._leased_until[duty.name], next_at, now=now, duration_ms=duration_ms
                )
            metrics.DUTY_RUNS.labels(duty.name, "done").inc()
        except asyncio.CancelledError:
            with contextlib.suppress(*_ERRORS):
                async with driver_connection(self._engine) as connection:
                    await duty_sql.release(connection, duty.name, self._leased_until[duty.name])
            raise
        except Exception as error:
            metrics.DUTY_RUNS.labels(duty.name, "failed").inc()
            logger.exception("the duty %s failed, and is tried again", duty.name)
            next_at = self._clock() + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(taken.failures, 10))
            with contextlib.suppress(*_ERRORS):
                async with driver_connection(self._engine) as connection:
                    # Without the error's text, which may have values of rows. The log has it.
                    lease = self._leased_until[duty.name]
                    await duty_sql.failed(connection, duty.name, lease, next_at, type(error).__name__)

    async def _while_leased(self, duty: Duty) -> bool:
        """Run a duty. Raises what it raises, and LeaseLost, after it was stopped."""
        running = asyncio.create_task(duty.run(), name=f"duty-{duty.name}-run")
        keeping = asyncio.create_task(self._keep_lease(duty.name), name=f"duty-{duty.name}-lease")
        try:
            await asyncio.wait({running, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise LeaseLost(duty.name)
            return running.result()
        finally:
            await tasks.end(running, keeping)

    async def _keep_lease(self, name: str) -> None:
        """Renew the lease. Returns once that fails, or could not be done in time."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / _RENEWALS)
            until, now = self._leased_until[name], self._clock()
            try:
                async with driver_connection(self._engine) as connection:
                    if not await duty_sql.renew(connection, name, until, now + LEASE):
                        return
                self._leased_until[name] = now + LEASE
            except _ERRORS:
                if self._clock() + LEASE / _RENEWALS >= until:
                    return

    async def _register(self, connection: asyncpg.Connection) -> None:
        if self._is_registered:
            return
        for duty in self._duties.values():
            await duty_sql.register(connection, duty.name, self._clock(), duty.period)
        self._is_registered = True

    async def _measure(self, connection: asyncpg.Connection) -> None:
        """Show how all duties fare, also those that other workers do."""
        now = self._clock()
        for state in await duty_sql.states(connection, list(self._duties)):
            metrics.DUTY_OVERDUE.labels(state.name).set(max(0.0, (now - state.next_at).total_seconds()))
            if state.succeeded_at is not None and state.duration_ms is not None:
                metrics.DUTY_SUCCEEDED.labels(state.name).set(state.succeeded_at.timestamp())
                metrics.DUTY_SECONDS.labels(state.name).set(state.duration_ms / 1000)
        self._measured_at = monotonic()
