"""The pool of a process: SQLAlchemy's connections for what writes, and their asyncpg connections for what reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

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


class Database(AsyncEngine):
    """SQLAlchemy's engine, which also runs the statements of `app/db/statements.py` on the connections of its pool."""

    __slots__ = ()

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
        try:
            pooled = await self.raw_connection()
        except AsyncAdapt_asyncpg_dbapi.Error as error:
            # Its cause is asyncpg's error, as of the statements below.
            raise error.__cause__ or error from None
        connection: Any = pooled.driver_connection
        try:
            return await connection.fetch(query, *arguments)  # type: ignore[no-any-return]
        except asyncpg.PostgresError:
            raise
        except BaseException:
            # Timed out, cancelled or lost in the middle of a statement: nobody may use the connection again.
            connection.terminate()
            pooled.invalidate()
            raise
        finally:
            pooled.close()
