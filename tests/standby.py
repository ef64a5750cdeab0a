"""A synchronous standby that can be frozen, so that every COMMIT of the service waits for it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.servers import Embedded, Servers

_NAME = "test_standby"


class Standby:
    """Receives PostgreSQL's WAL and confirms it, except while frozen."""

    def __init__(self, process: subprocess.Popen[bytes], connection: asyncpg.Connection) -> None:
        self._process = process
        self._connection = connection

    def freeze(self) -> None:
        """Stop confirming and keep the connection open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue, and confirm what was written meanwhile."""
        self._process.send_signal(signal.SIGCONT)

    async def commits_waiting(self) -> int:
        """The number of COMMITs that wait for the standby."""
        found: int = await self._connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return found


@asynccontextmanager
async def synchronous_standby(servers: Servers, directory: Path) -> AsyncIterator[Standby]:
    """A standby within the block. Skips the test if the server cannot have one."""
    if not isinstance(servers, Embedded):
        pytest.skip("needs a PostgreSQL that may be configured")
    program = servers.embedded.postgres.programs / "pg_receivewal"
    if not program.exists():
        pytest.skip("needs pg_receivewal")
    connection = await asyncpg.connect(servers.database_url)
    address = f"host={servers.embedded.postgres.sockets} user=postgres application_name={_NAME}"
    command: list[str | Path] = [program, "--synchronous", "--no-loop", "--dbname", address, "--directory", directory]
    process = subprocess.Popen(command)  # noqa: ASYNC220 - it returns at once
    try:
        await _configure(connection, f"'{_NAME}'")
        await _until_it_confirms(connection)
        yield Standby(process, connection)
    finally:
        process.kill()
        process.wait()
        await _configure(connection, "''")
        await connection.close()


async def _configure(connection: asyncpg.Connection, names: str) -> None:
    await connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = {names}")
    await connection.execute("SELECT pg_reload_conf()")


async def _until_it_confirms(connection: asyncpg.Connection) -> None:
    query = "SELECT sync_state FROM pg_stat_replication WHERE application_name = $1"
    async with asyncio.timeout(30):
        while await connection.fetchval(query, _NAME) != "sync":  # noqa: ASYNC110 - it happens in the server
            await asyncio.sleep(0.05)
