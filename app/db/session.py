"""What every connection to the database must have, whatever the server, the database and the role set as defaults."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from app.errors import ConfigurationError
from app.settings import Settings

logger = logging.getLogger(__name__)

ALWAYS: Mapping[str, str] = {
    # An answer says "completed" after COMMIT has returned, so COMMIT waits for the disk.
    "synchronous_commit": "on",
    # The ledger locks first and reads after that, in a new snapshot. Stricter levels would fail where it only waits.
    "default_transaction_isolation": "read committed",
}

SINCE: Mapping[str, int] = {"transaction_timeout": 17}
"""Parameters that came with a major version of PostgreSQL. Older servers do without."""

# What waits for a standby as well keeps doing so: `on` is the least, not the most.
_SET = """
SELECT name, set_config(name, CASE
    WHEN name = 'synchronous_commit' AND value = 'on' AND current_setting(name) IN ('remote_write', 'remote_apply')
    THEN current_setting(name) ELSE value END, false) AS value
FROM unnest($1::text[], $2::text[]) AS wanted (name, value)"""
_READ = "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS wanted (name)"
_SERVER = """
SELECT current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') = 'on' AS read_only, array(
    SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes']) AS needed (name) WHERE current_setting(name) = 'off'
) AS off"""


class ReadOnlyServer(ConnectionError):
    """It is a standby, or takes no writes by its settings. The next connection may find another."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a database server is like at the moment."""

    encoding: str
    read_only: bool
    """Whether it is a standby, or takes no writes by its settings."""
    off: tuple[str, ...]
    """What it needs for durability and has turned off."""


async def server_state(connection: asyncpg.Connection) -> ServerState:
    """Ask the server. Outside a transaction, so that what is set meanwhile is seen."""
    row = await connection.fetchrow(_SERVER)
    assert row is not None
    return ServerState(row["encoding"], row["read_only"], tuple(row["off"]))


async def insist(connection: asyncpg.Connection, parameters: Mapping[str, str]) -> None:
    """Set these parameters for the session. Raises ConfigurationError where they do not hold.

    They are set after connecting: a pooler refuses or forgets what is sent while connecting. Those that this version of
    PostgreSQL does not have are left out.
    """
    version = connection.get_server_version().major
    known = {name: value for name, value in parameters.items() if SINCE.get(name, 0) <= version}
    names = list(known)
    wanted = {row["name"]: row["value"] for row in await connection.fetch(_SET, names, list(known.values()))}
    held = {row["name"]: row["value"] for row in await connection.fetch(_READ, names)}
    lost = sorted(name for name in names if held[name] != wanted[name])
    if lost:
        raise not_session_pooling(f"The database connection does not keep its parameters ({', '.join(lost)})")


def not_session_pooling(symptom: str) -> ConfigurationError:
    """One line for a pooler whose clients do not have a session each."""
    return ConfigurationError(
        f"{symptom}: a pooler in between must pool sessions (in pgbouncer pool_mode = session), not transactions or statements."
    )


async def refuse_unsuitable(connection: asyncpg.Connection, settings: Settings) -> None:
    """Raises ConfigurationError for a database that the ledger must not be kept in; logs a warning where that is allowed."""
    server = await server_state(connection)
    if server.encoding != "UTF8":
        raise ConfigurationError(
            f"The database's encoding is {server.encoding}, and Paycore needs UTF8: create it with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    if server.off:
        problem = f"The database server runs with {not_durable(server)}: a crash can undo completed transfers."
        if settings.environment == "production":
            raise ConfigurationError(f"{problem} Production needs it on.")
        logger.warning("%s Production refuses it.", problem)


def not_durable(server: ServerState) -> str:
    """Words for what is off."""
    return " and ".join(f"{name} = off" for name in server.off)
