"""Recognises the errors that mean that the database is unavailable for now."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Everything that asyncpg raises. InternalClientError: its protocol, if a connection is lost while a statement is being sent."""

_UNAVAILABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    # After a failover the connection may be to a standby, or the server refuses writes for now.
    asyncpg.ReadOnlySQLTransactionError,
    # A migration changed the result of a prepared statement. The driver prepares it again the next time.
    asyncpg.InvalidCachedStatementError,
)


def is_unavailable(error: BaseException) -> bool:
    """Whether the same request may succeed a little later. Unwraps SQLAlchemy's exceptions.

    True for a lost connection, an exhausted pool or server, a lock or statement timeout, and a serialization failure.
    """
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(cause, _UNAVAILABLE)
    return isinstance(error, _UNAVAILABLE)
