"""The service behind pgbouncer."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from pydantic import SecretStr

from app.db.engine import connect, refuse_shared_sessions
from app.settings import Settings
from tests.processes.test_cli import assert_one_line, paycore
from tests.proxy import postgres_proxy
from tests.servers import free_port

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed here")


@asynccontextmanager
async def pooled(settings: Settings, directory: Path, mode: str) -> AsyncIterator[Settings]:
    """The settings of a service that connects to its database through pgbouncer."""
    assert settings.database_url is not None
    assert PGBOUNCER is not None
    port = free_port()
    async with postgres_proxy(settings.database_url.get_secret_value()) as upstream:
        to = urlsplit(upstream.url)
        password = f" password={to.password}" if to.password else ""
        lines = [
            "[databases]",
            f"* = host=127.0.0.1 port={to.port} user={to.username}{password}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = any",
            f"pool_mode = {mode}",
        ]
        # pgbouncer refuses to run as root.
        lines += ["user = nobody"] if os.getuid() == 0 else []
        configuration = directory / "pgbouncer.ini"
        configuration.write_text("\n".join(lines) + "\n")
        process = psutil.Popen([PGBOUNCER, "--quiet", configuration])
        try:
            await listening(port, process)
            url = f"postgresql://someone@127.0.0.1:{port}{to.path}?sslmode=disable"
            yield settings.model_copy(update={"database_url": SecretStr(url)})
        finally:
            process.kill()
            process.wait(10)


async def listening(port: int, process: psutil.Popen) -> None:
    async with asyncio.timeout(10):
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    pytest.fail("pgbouncer did not start")


async def test_connections_through_a_session_pooler_have_all_limits(settings: Settings, tmp_path: Path) -> None:
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit", "jit"]
    async with pooled(settings, tmp_path, "session") as through:
        connection = await connect(through)
        try:
            await refuse_shared_sessions(connection, through)
            held = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
        finally:
            await connection.close()
    assert held == ["3s", "300ms", "3300ms", "on", "off"]


async def test_commands_refuse_a_transaction_pooler_in_one_line(settings: Settings, tmp_path: Path) -> None:
    for command in ("migrate", "serve", "relay"):
        async with pooled(settings, tmp_path, "transaction") as through:
            finished = await asyncio.to_thread(paycore, command, settings=through)
            assert_one_line(finished, "pool_mode = session")


async def test_a_transaction_pooler_with_used_connections_is_refused(settings: Settings, tmp_path: Path) -> None:
    async with pooled(settings, tmp_path, "transaction") as through:
        for _ in range(2):
            finished = await asyncio.to_thread(paycore, "relay", settings=through)
            assert_one_line(finished, "pool_mode = session")
