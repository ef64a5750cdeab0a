"""Connections to PostgreSQL and the pool. Their timeouts keep a frozen process from holding wallet locks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from app.db import database_url, session
from app.db.connection import Connection, Dialect, Unanswered, watch_peer
from app.db.database_url import DatabaseAddress, UntrustedServer
from app.db.pool import Database, MeasuredPool
from app.db.statement_traces import trace_connection, trace_engine
from app.errors import ConfigurationError
from app.settings import Settings
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 0.7
_DISPOSE_SECONDS = 2.0
_SERVER_PROCESS = "SELECT pg_backend_pid()"
_POOLER_CHECKS = 5
_ANOTHER_SESSION = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""The errors of a prepared statement that runs on another server connection than the one that prepared it."""


def database_dsn(settings: Settings) -> str:
    """Returns the URL of the database. Raises ConfigurationError if it is not set."""
    if settings.database_url is None:
        raise ConfigurationError("PAYCORE_DATABASE_URL is not set. For a demo with its own servers run `paycore dev`.")
    return settings.database_url.get_secret_value()


def warn_of_url(settings: Settings) -> None:
    """Log a warning if the URL requires something that the driver does not support."""
    if database_url.parse(database_dsn(settings)).lacks_channel_binding:
        logger.warning(
            "PAYCORE_DATABASE_URL: channel_binding=require is ignored; use sslmode=verify-full, which protects as well."
        )


async def refuse_shared_sessions(connection: asyncpg.Connection, settings: Settings) -> None:
    """Raises ConfigurationError if a pooler gives its clients another server connection for each transaction.

    The relay's lock, prepared statements and statement timeouts belong to a session.
    """
    # Poolers report a process id of their own. If the ids are equal there is no pooler, and no further check is needed.
    if await connection.fetchval(_SERVER_PROCESS) == connection.get_server_pid():
        return
    other = await open_connection(settings)
    try:
        # If each client has a session of its own, each keeps one server process.
        seen = {
            (await connection.fetchval(_SERVER_PROCESS), await other.fetchval(_SERVER_PROCESS)) for _ in range(_POOLER_CHECKS)
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
    """Open a connection as the user of the URL, with the parameters that every connection has and `parameters`.

    Raises ConfigurationError if the URL is invalid or the session does not keep its parameters.
    """
    address = database_url.parse(database_dsn(settings))
    connection = await _first_that_serves(address, server_settings={"application_name": application_name}, **options)
    try:
        watch_peer(connection)
        async with asyncio.timeout(address.connect_seconds):
            await session.set_parameters(connection, {**session.ALWAYS, **(parameters or {})})
            connection.server_process = await connection.fetchval(_SERVER_PROCESS)
    except _ANOTHER_SESSION:
        connection.terminate()
        raise session.not_session_pooling("The database connection does not keep its prepared statements") from None
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _first_that_serves(address: DatabaseAddress, **options: Any) -> Connection:
    """Connect to the first usable host. Each host has its own timeout, so a silent host does not use up the next one's time."""
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
            # asyncpg's message quotes the invalid part of the URL, which may be a piece of the password.
            raise database_url.invalid_url() from None
        else:
            return connection
    assert failed is not None
    raise failed


async def connect(settings: Settings, application_name: str = "paycore", **overrides: str) -> Connection:
    """Open a connection outside the pool, with the service's role and timeouts.

    `overrides` are further PostgreSQL settings of this connection. Raises asyncpg or OS errors if it cannot connect.
    """
    # Requests must be answered within their timeout, so the database's timeouts are shorter: first the statement's, then the
    # transaction's, which also ends the transaction of a stopped process.
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
        # Plans cached while tables are small would keep using sequential scans. JIT costs more than it saves here.
        "enable_seqscan": "off",
        "jit": "off",
        # Each statement is planned once. With arrays, or a LIMIT as parameter, the server would plan it anew each time: three
        # quarters of its work for a page, a quarter for a transfer.
        "plan_cache_mode": "force_generic_plan",
        **overrides,
    }
    # For a server that does not answer, so above the server's own timeouts. Not set if the caller overrides those.
    timeout = None if "statement_timeout" in overrides else transaction_ms / 1000 + _ANSWER_SECONDS
    connection = await open_connection(settings, application_name, parameters, statement_cache_size=200, command_timeout=timeout)
    try:
        await _take_role(connection, settings)
    except BaseException:
        connection.terminate()
        raise
    trace_connection(connection)
    return connection


async def _take_role(connection: asyncpg.Connection, settings: Settings) -> None:
    """Switch to the role that owns no tables. The settings check the pattern of its name, so it is safe in SQL."""
    try:
        await connection.execute(f"SET ROLE {settings.database_role}")
    except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError):
        raise ConfigurationError(f"The database has no role {settings.database_role}: run `paycore migrate` first.") from None
    except asyncpg.InsufficientPrivilegeError:
        raise ConfigurationError(
            f"The database user may not act as {settings.database_role}: GRANT {settings.database_role} TO the user."
        ) from None


def create_engine(settings: Settings, *, pool_size: int | None = None) -> Database:
    """Returns the process's pool. Everything uses it except the ledger's hot path, whose workers have their own connections."""
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
        raise ConnectionError(f"{size} commits are waiting for the database")

    engine = create_async_engine(
        "postgresql+paycore://",
        async_creator=creator,
        poolclass=MeasuredPool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.request_timeout_seconds,
        pool_pre_ping=True,
        pool_use_lifo=True,
        # Errors with their parameters would put text that users wrote into the logs.
        hide_parameters=True,
    )
    dialect = engine.dialect
    assert isinstance(dialect, Dialect)
    dialect.unanswered = unanswered
    trace_engine(engine)
    metrics.POOL_SIZE.set(size)
    return Database(engine.sync_engine)


async def dispose(engine: Database) -> None:
    """Close the pool's connections. Gives up after `_DISPOSE_SECONDS` if the server does not answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISPOSE_SECONDS):
            await engine.dispose()
