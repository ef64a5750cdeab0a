"""Connections to PostgreSQL, each with the limits that keep one frozen process from holding wallets."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from app.db import database_url, session
from app.db.connection import Connection, Dialect, Unanswered, watch_peer
from app.db.database_url import DatabaseAddress, UntrustedServer
from app.db.statement_traces import trace_connection, trace_engine
from app.errors import ConfigurationError
from app.settings import Settings
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 0.7
_SERVER_PROCESS = "SELECT pg_backend_pid()"
_LOOKS_AT_POOLER = 5
_ANOTHER_SESSION = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""What a prepared statement meets on a server connection that it was not made on."""


def database_dsn(settings: Settings) -> str:
    """The URL of the database. Raises ConfigurationError where there is none."""
    if settings.database_url is None:
        raise ConfigurationError("PAYCORE_DATABASE_URL is not set. For a demo with its own servers run `paycore dev`.")
    return settings.database_url.get_secret_value()


def warn_of_url(settings: Settings) -> None:
    """Log what the URL asks for and cannot get."""
    if database_url.parse(database_dsn(settings)).lacks_channel_binding:
        logger.warning("PAYCORE_DATABASE_URL: channel_binding=require is left out; sslmode=verify-full protects as well.")


async def refuse_shared_sessions(connection: asyncpg.Connection, settings: Settings) -> None:
    """Raises ConfigurationError where a pooler gives its clients another server connection for each transaction.

    The relay's lead, prepared statements and the limits on statements belong to a session.
    """
    # Poolers give out a number of their own, so that without one nothing more is asked.
    if await connection.fetchval(_SERVER_PROCESS) == connection.get_server_pid():
        return
    other = await open_connection(settings)
    try:
        # Two clients with a session each have a server process each, which stays the same.
        seen = {
            (await connection.fetchval(_SERVER_PROCESS), await other.fetchval(_SERVER_PROCESS)) for _ in range(_LOOKS_AT_POOLER)
        }
    except _ANOTHER_SESSION:
        seen = set()
    finally:
        await other.close()
    if len(seen) != 1 or len(set(*seen)) == 1:
        raise session.not_session_pooling("Two connections to the database share a session")


async def open_connection(
    settings: Settings, application_name: str = "paycore", parameters: Mapping[str, str] | None = None, **options: Any
) -> Connection:
    """A bare connection, as the user of the URL, with the parameters that all have and these.

    Raises ConfigurationError where the URL makes no sense, or parameters do not hold.
    """
    address = database_url.parse(database_dsn(settings))
    connection = await _first_that_serves(address, server_settings={"application_name": application_name}, **options)
    try:
        watch_peer(connection)
        async with asyncio.timeout(address.connect_seconds):
            await session.insist(connection, {**session.ALWAYS, **(parameters or {})})
            connection.server_process = await connection.fetchval(_SERVER_PROCESS)
    except _ANOTHER_SESSION:
        connection.terminate()
        raise session.not_session_pooling("The database connection does not keep its prepared statements") from None
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _first_that_serves(address: DatabaseAddress, **options: Any) -> Connection:
    """A connection to the first host that can be used. One that is silent does not use up the time of the next."""
    failed: Exception | None = None
    for host in address.hosts:
        name, port = host or (None, None)
        try:
            connection: Connection = await asyncpg.connect(
                address.dsn,
                host=name,
                port=port,
                ssl=address.ssl,
                timeout=address.connect_seconds,
                connection_class=Connection,
                **options,
            )
        except ssl.SSLCertVerificationError as error:
            failed = UntrustedServer(f"the database's certificate is not accepted: {error.verify_message}")
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
            failed = error
        except ValueError:
            # asyncpg's own words quote the part that it stumbled over, which may be a piece of the password.
            raise database_url.not_understood() from None
        else:
            return connection
    assert failed is not None
    raise failed


async def connect(settings: Settings, application_name: str = "paycore", **overrides: str) -> Connection:
    """A dedicated connection outside the pool, with the service's role and limits.

    `overrides` are further PostgreSQL settings of this connection. Raises asyncpg or OS errors where it cannot connect.
    """
    # A request must be answered within its timeout, so the database gives up before that: a statement first, then
    # whatever transaction a stopped process left behind.
    transaction_ms = settings.statement_timeout_ms + settings.lock_timeout_ms
    parameters = {
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "lock_timeout": str(settings.lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(transaction_ms),
        "transaction_timeout": str(transaction_ms),
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        # Plans cached while tables are small would scan them whole for ever; and compiling plans costs more than it gives.
        "enable_seqscan": "off",
        "jit": "off",
        **overrides,
    }
    # For a server that is silent; longer than its own limits. Where those are lifted, so is this.
    longest = None if "statement_timeout" in overrides else transaction_ms / 1000 + _ANSWER_SECONDS
    connection = await open_connection(settings, application_name, parameters, statement_cache_size=200, command_timeout=longest)
    try:
        await _take_role(connection, settings)
    except BaseException:
        connection.terminate()
        raise
    trace_connection(connection)
    return connection


async def _take_role(connection: asyncpg.Connection, settings: Settings) -> None:
    """Work as the role that owns nothing. Its name is checked by the settings' own pattern."""
    try:
        await connection.execute(f"SET ROLE {settings.database_role}")
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError):
        raise ConfigurationError(f"The database has no role {settings.database_role}: run `paycore migrate` first.") from None
    except asyncpg.InsufficientPrivilegeError:
        raise ConfigurationError(
            f"The database user may not act as {settings.database_role}: GRANT {settings.database_role} TO the user."
        ) from None


class _MeasuredPool(AsyncAdaptedQueuePool):
    """Tells how many connections it has lent.

    By its own account after each change: counted by its events, a connection that cannot be made would come back without
    having been lent.
    """

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        finally:
            metrics.POOL_IN_USE.set(self.checkedout())

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        metrics.POOL_IN_USE.set(self.checkedout())


def create_engine(settings: Settings, *, pool_size: int | None = None) -> AsyncEngine:
    """The pool that one process shares for all but the ledger's hot path, whose worker has a connection of its own."""
    size = pool_size or settings.database_pool_size
    unanswered = Unanswered(size)

    async def creator() -> asyncpg.Connection:
        connection = await connect(settings)
        try:
            if await unanswered.leave_room(connection):
                return connection
        except BaseException:
            connection.terminate()
            raise
        connection.terminate()
        raise ConnectionError(f"{size} commits wait for the database")

    engine = create_async_engine(
        "postgresql+paycore://",
        async_creator=creator,
        poolclass=_MeasuredPool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.request_timeout_seconds,
        pool_pre_ping=True,
        pool_use_lifo=True,
        # An error with its parameters would put what people wrote into the logs.
        hide_parameters=True,
    )
    dialect = engine.dialect
    assert isinstance(dialect, Dialect)
    dialect.unanswered = unanswered
    trace_engine(engine)
    metrics.POOL_SIZE.set(size)
    return engine
