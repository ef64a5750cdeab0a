"""Session parameters that every connection must have, and checks that the server is suitable for the ledger."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from app.errors import ConfigurationError
from app.settings import Settings

logger = logging.getLogger(__name__)

ALWAYS: Mapping[str, str] = {
    # A transfer is answered as completed after COMMIT returns, so COMMIT must wait for the disk.
    "synchronous_commit": "on",
    # The ledger locks first, then reads in a new snapshot. Stricter levels would raise errors where this one only waits.
    "default_transaction_isolation": "read committed",
}

SINCE: Mapping[str, int] = {"transaction_timeout": 17}
"""Parameters by the major version of PostgreSQL that introduced them. They are not set on older servers."""

# remote_write and remote_apply, which also wait for a standby, are kept: `on` is a minimum.
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
    """The server is a standby, or its settings forbid writes. The next connection may reach another server."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """The current state of a database server."""

    encoding: str
    read_only: bool
    """Whether it is a standby, or its settings forbid writes."""
    off: tuple[str, ...]
    """Settings that durability needs and that are off."""


async def server_state(connection: asyncpg.Connection) -> ServerState:
    """Read the server's state. Call it outside a transaction, so that it sees changed settings."""
    row = await connection.fetchrow(_SERVER)
    assert row is not None
    return ServerState(row["encoding"], row["read_only"], tuple(row["off"]))


async def set_parameters(connection: asyncpg.Connection, parameters: Mapping[str, str]) -> None:
    """Set these parameters for the session. Raises ConfigurationError if the session does not keep them.

    They are set after connecting, because poolers refuse or drop startup parameters. Parameters that this version of PostgreSQL
    does not have are left out.
    """
    version = connection.get_server_version().major
    known = {name: value for name, value in parameters.items() if SINCE.get(name, 0) <= version}
    names = list(known)
    wanted = {row["name"]: row["value"] for row in await connection.fetch(_SET, names, list(known.values()))}
    actual = {row["name"]: row["value"] for row in await connection.fetch(_READ, names)}
    lost = sorted(name for name in names if actual[name] != wanted[name])
    if lost:
        raise not_session_pooling(f"The database connection does not keep its parameters ({', '.join(lost)})")


def not_session_pooling(symptom: str) -> ConfigurationError:
    """The error for a pooler that does not give each client a session of its own."""
    return ConfigurationError(
        f"{symptom}: the pooler must pool sessions (in pgbouncer pool_mode = session), not transactions or statements."
    )


async def refuse_unsuitable(connection: asyncpg.Connection, settings: Settings) -> None:
    """Raises ConfigurationError if the database is not suitable for a ledger. Outside production, fsync = off only warns."""
    server = await server_state(connection)
    if server.encoding != "UTF8":
        raise ConfigurationError(
            f"The database's encoding is {server.encoding}, but Paycore needs UTF8: create it with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    if server.off:
        problem = f"The database server runs with {not_durable(server)}: a crash can undo completed transfers."
        if settings.environment == "production":
            raise ConfigurationError(f"{problem} Production needs it on.")
        logger.warning("%s Production refuses it.", problem)


def not_durable(server: ServerState) -> str:
    """Returns the settings that are off, for a message."""
    return " and ".join(f"{name} = off" for name in server.off)
