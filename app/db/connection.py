"""A connection to PostgreSQL on which every wait is bounded, and on which no COMMIT is cancelled.

asyncpg ends a statement by a cancel request, and then waits for the server's answer. Both are wrong here. If a COMMIT that
waits for a synchronous standby is cancelled, PostgreSQL stops waiting: everyone sees the transaction, and a failover may still
lose it. And on a network that swallows packets no answer comes. So a statement that times out, or whose task is cancelled, ends
its connection instead. If that is safe, the server is also asked to stop the statement.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg
from asyncpg import connect_utils
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import PoolProxiedConnection

from app.clock import monotonic
from app.db.failures import DATABASE_ERRORS
from app.errors import RequestTimeout

_CANCEL_SECONDS = 2
_PING_SECONDS = 1.5
"""A pooled connection must answer within this time before it is used. It is shorter than the time limit of readiness."""
_PING_EVERY_SECONDS = 1
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
"""In seconds, the last one in milliseconds. A silent peer is noticed after 25 s, or 20 s after something was sent to it."""

# A transaction that wrote holds the lock of its id until others can see it, which is after the wait for a standby.
_STILL_COMMITTING = (
    "SELECT pid FROM pg_locks WHERE pid = ANY($1::int[]) AND locktype = 'transactionid' AND mode = 'ExclusiveLock'"
)

_cancelling: set[asyncio.Task[None]] = set()


class Connection(asyncpg.Connection):
    """asyncpg's connection, which is dropped when asyncpg would cancel a statement."""

    __slots__ = ("_commits", "answered", "server_process")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._commits = False
        self.answered = monotonic()
        """When it last answered a ping of the pool, or was opened."""
        self.server_process: int = self.get_server_pid()
        """The process id on the server. A pooler invents its own, so `open_connection` asks the server."""

    def has_answered_lately(self) -> bool:
        """Whether it answered within the last second, so that the pool need not ask it again."""
        return monotonic() - self.answered < _PING_EVERY_SECONDS

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        """As in asyncpg. Its transactions and the ledger both commit by this method."""
        self._commits = query.startswith("COMMIT")
        return await super().execute(query, *arguments, timeout=timeout)

    def _cancel_current_command(self, *_waiters: asyncio.Future[None]) -> None:
        """Called by asyncpg in the middle of a state change, so the connection is terminated in the loop's next step."""
        inside: Any = self
        protocol, loop = inside._protocol, inside._loop
        # Outside a transaction a statement commits by itself.
        if protocol.is_in_transaction() and not self._commits:
            request = loop.create_task(
                _request_cancel(
                    loop=loop,
                    addr=inside._addr,
                    params=inside._params,
                    backend_pid=protocol.backend_pid,
                    backend_secret=protocol.backend_secret,
                )
            )
            _cancelling.add(request)
            request.add_done_callback(_cancelling.discard)
        loop.call_soon(self.terminate)


async def _request_cancel(**target: Any) -> None:
    """Stops a statement whose result nobody needs. If the request does not arrive, statement_timeout ends the statement."""
    with contextlib.suppress(OSError, ValueError):
        async with asyncio.timeout(_CANCEL_SECONDS):
            await cast("Any", connect_utils)._cancel(**target)


class Unanswered:
    """The server processes whose COMMIT was sent but not answered. They may wait for a standby for a long time.

    Each uses one of the server's connections, so their number is limited.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._processes: set[int] = set()

    def add(self, connection: Connection) -> None:
        """Add a connection whose COMMIT was sent and whose answer nobody waits for."""
        self._processes.add(connection.server_process)

    async def leave_room(self, connection: asyncpg.Connection) -> bool:
        """Returns whether fewer than the limit are still committing. Asks the server over `connection`."""
        if self._processes:
            rows = await connection.fetch(_STILL_COMMITTING, list(self._processes))
            self._processes.intersection_update(row["pid"] for row in rows)
        return len(self._processes) < self._most


@contextlib.asynccontextmanager
async def transaction(connection: asyncpg.Connection, **options: Any) -> AsyncIterator[None]:
    """A transaction of asyncpg, on a connection that may be lost in it.

    If the connection is lost, so is the transaction. The error of the rollback must not replace the one that says why.
    """
    block = connection.transaction(**options)
    await block.start()
    try:
        yield
    except BaseException:
        try:
            await block.rollback()
        except DATABASE_ERRORS:
            if not connection.is_closed():
                raise
        raise
    await block.commit()


def watch_peer(connection: asyncpg.Connection) -> None:
    """Make the operating system end the connection if the server does not answer any more."""
    link: socket.socket | None = cast("Any", connection)._transport.get_extra_info("socket")
    if link is None or link.family not in (socket.AF_INET, socket.AF_INET6):
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system has all of them.
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Dialect(PGDialect_asyncpg):
    """SQLAlchemy's dialect for asyncpg, made safe for connections that are silent, or that are lost during COMMIT."""

    supports_statement_cache = True
    unanswered: Unanswered

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Returning False makes the pool replace this connection and all older ones.

        A connection is asked once a second at most: for most reads a ping would take as long as the read.
        """
        pinged: Connection = dbapi_connection.driver_connection
        if pinged.has_answered_lately() and not pinged.is_closed():
            return True
        try:
            dbapi_connection.run_async(lambda connection: connection.fetchrow(";", timeout=_PING_SECONDS))
        except DATABASE_ERRORS:
            return False
        pinged.answered = monotonic()
        return True

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Terminates at once. SQLAlchemy would first wait up to two seconds for an orderly close."""
        dbapi_connection.driver_connection.terminate()

    def do_rollback(self, dbapi_connection: PoolProxiedConnection) -> None:
        """Ignores errors of a lost connection: its transaction is gone too, and the pool replaces it at its next use."""
        try:
            dbapi_connection.rollback()
        except Exception:
            if not _is_lost(dbapi_connection):
                raise

    def do_commit(self, dbapi_connection: Any) -> None:
        """Raises RequestTimeout if the connection is lost during COMMIT, because the commit may have happened."""
        try:
            dbapi_connection.commit()
        except BaseException as error:
            is_cancelled = not isinstance(error, Exception)
            if is_cancelled or _is_lost(dbapi_connection):
                self.unanswered.add(dbapi_connection.driver_connection)
                if not is_cancelled:
                    raise RequestTimeout from error
            raise


def _is_lost(dbapi_connection: DBAPIConnection) -> bool:
    connection: asyncpg.Connection = dbapi_connection.driver_connection
    return connection.is_closed()


registry.register("postgresql.paycore", __name__, "Dialect")
