"""Which errors mean that the database cannot serve now, wherever they surface."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_BUSY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg's protocol, confused by a connection that went away while a statement was being sent.
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    # A connection that failover left on a standby, or a server that takes no writes for now.
    asyncpg.ReadOnlySQLTransactionError,
    # A migration changed what a prepared statement returns. The driver prepares it anew the next time.
    asyncpg.InvalidCachedStatementError,
)


def is_unavailable(error: BaseException) -> bool:
    """Whether the same request may succeed a little later. SQLAlchemy's wrappers are looked through.

    So it is for a lost connection, an exhausted pool or server, a lock or statement timeout, a serialization failure.
    """
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(cause, _BUSY)
    return isinstance(error, _BUSY)
