"""The pool of a process: SQLAlchemy's connections for what writes, and their asyncpg connections for what reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import queue

from app.db.connection import Connection
from app.telemetry import metrics

_LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)
"""The connection was closed since it last answered, as by a restart of the server."""


class MeasuredPool(AsyncAdaptedQueuePool):
    """Reports the number of connections in use to the metrics.

    It reads the pool's own count after each change. The pool's events cannot be counted: a connection that cannot be opened is
    checked in without having been checked out.
    """

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        finally:
            metrics.POOL_IN_USE.set(self.checkedout())

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        metrics.POOL_IN_USE.set(self.checkedout())

    def take_idle(self) -> ConnectionPoolEntry | None:
        """An idle connection that answered within the last second, for one statement. Give it back with `give_back`.

        SQLAlchemy's way for the same, which also connects and pings, takes as long as asyncpg takes for the statement.
        """
        try:
            record = self._pool.get_nowait()
        except queue.Empty:
            return None
        connection: Connection | None = record.driver_connection
        if connection is not None and not connection.is_closed() and connection.has_answered_lately():
            metrics.POOL_IN_USE.set(self.checkedout())
            return record
        self._pool.put_nowait(record)
        return None

    def give_back(self, record: ConnectionPoolEntry) -> None:
        """Return a connection that was taken."""
        self._do_return_conn(record)


class Database(AsyncEngine):
    """SQLAlchemy's engine, which also runs the statements of `app/db/statements.py` on the connections of its pool."""

    __slots__ = ()

    @property
    def _pool(self) -> MeasuredPool:
        return cast("MeasuredPool", self.sync_engine.pool)

    async def fetch(self, query: str, /, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Run one statement on a connection of the pool, in a transaction of its own, and return the rows.

        asyncpg runs it: SQLAlchemy's way sends BEGIN and ROLLBACK around each read, and its layers take longer than both.
        The statement must only read: it is sent again, once, if its connection was lost.
        """
        try:
            return await self._fetch(query, arguments)
        except _LOST:
            return await self._fetch(query, arguments)

    async def _fetch(self, query: str, arguments: tuple[Any, ...]) -> Sequence[asyncpg.Record]:
        idle = self._pool.take_idle()
        if idle is not None:
            try:
                return await _fetched(idle.driver_connection, query, arguments)
            finally:
                self._pool.give_back(idle)
        pooled = await self.pooled()
        try:
            return await _fetched(pooled.driver_connection, query, arguments)
        finally:
            pooled.close()

    async def pooled(self) -> PoolProxiedConnection:
        """Check out a connection. Raises asyncpg's errors, as its statements do."""
        try:
            return await self.raw_connection()
        except AsyncAdapt_asyncpg_dbapi.Error as error:
            raise error.__cause__ or error from None


async def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's connection below one of SQLAlchemy's, in the same transaction."""
    raw: asyncpg.Connection | None = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    return raw


@asynccontextmanager
async def driver_connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool as asyncpg's, for statements that SQLAlchemy does not send. After an error it is replaced."""
    pooled = await database.pooled()
    try:
        raw = pooled.driver_connection
        assert raw is not None
        yield raw
    except BaseException:
        # It may be in the middle of a statement.
        pooled.invalidate()
        raise
    finally:
        pooled.close()


async def _fetched(connection: Any, query: str, arguments: tuple[Any, ...]) -> Sequence[asyncpg.Record]:
    try:
        return await connection.fetch(query, *arguments)  # type: ignore[no-any-return]
    except asyncpg.PostgresError:
        raise
    except BaseException:
        # Timed out, cancelled or lost in the middle of a statement: the pool replaces it at its next use.
        connection.terminate()
        raise
