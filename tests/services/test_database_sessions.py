"""The session settings of the service's connections do not depend on the defaults of server, database or role."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from app.db import migrate, session
from app.db.engine import connect
from app.db.session import refuse_unsuitable
from app.errors import ConfigurationError
from app.settings import Settings, load_settings
from tests.proxy import PostgresProxy
from tests.servers import Servers, with_database


@pytest.fixture
def alter(settings: Settings) -> Callable[[str], Awaitable[None]]:
    """A function that changes a default of this test's database."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()

    async def change(assignment: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            name = await connection.fetchval("SELECT current_database()")
            await connection.execute(f"ALTER DATABASE {name} SET {assignment}")
        finally:
            await connection.close()

    return change


@pytest.fixture
def latin_database(servers: Servers) -> Iterator[str]:
    """The URL of a database with the encoding LATIN1."""
    name = f"paycore_latin_{uuid4().hex[:12]}"
    servers.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    yield with_database(servers.database_url, name)
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def current_setting(settings: Settings, name: str) -> str:
    connection = await connect(settings)
    try:
        value: str = await connection.fetchval("SELECT current_setting($1)", name)
        return value
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("default", "held"),
    [("off", "on"), ("local", "on"), ("on", "on"), ("remote_write", "remote_write"), ("remote_apply", "remote_apply")],
)
async def test_a_commit_waits_for_the_disk_whatever_the_default_of_the_database_is(
    settings: Settings, alter: Callable[[str], Awaitable[None]], default: str, held: str
) -> None:
    await alter(f"synchronous_commit = {default}")
    assert await current_setting(settings, "synchronous_commit") == held


async def test_the_isolation_level_is_read_committed(settings: Settings, alter: Callable[[str], Awaitable[None]]) -> None:
    await alter("default_transaction_isolation = 'serializable'")
    assert await current_setting(settings, "transaction_isolation") == "read committed"


async def test_a_parameter_that_only_a_newer_postgresql_knows_is_not_sent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SINCE", {**session.SINCE, "limit_of_the_future": 1000})
    connection = await connect(settings, limit_of_the_future="5s", idle_session_timeout="7s")
    try:
        assert await connection.fetchval("SELECT current_setting('idle_session_timeout')") == "7s"
        assert await connection.fetchval("SELECT current_setting('limit_of_the_future', true)") is None
    finally:
        await connection.close()


async def test_transactions_have_a_timeout_that_a_caller_can_override(settings: Settings) -> None:
    usual = str(settings.statement_timeout_ms + settings.lock_timeout_ms)
    for overrides, limit in (({}, usual), ({"transaction_timeout": "0"}, "0")):
        connection = await connect(settings, **overrides)
        try:
            held = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'transaction_timeout'")
            assert held == (limit if connection.get_server_version().major >= 17 else None)
        finally:
            await connection.close()


async def test_migrate_refuses_a_database_that_is_not_utf8(servers: Servers, latin_database: str, tmp_path: Path) -> None:
    latin = load_settings(environment="test", database_url=latin_database, redis_url=servers.redis_url, home=tmp_path)
    with pytest.raises(ConfigurationError, match="LATIN1"):
        await migrate.upgrade(latin)


async def test_a_server_without_fsync_is_refused_in_production_and_logged_elsewhere(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await connect(settings)
    try:
        if await connection.fetchval("SHOW fsync") == "on":
            pytest.skip("this server is durable")
        await refuse_unsuitable(connection, settings)
        assert "fsync = off" in caplog.text
        with pytest.raises(ConfigurationError, match="fsync = off"):
            await refuse_unsuitable(connection, settings.model_copy(update={"environment": "production"}))
    finally:
        await connection.close()


async def test_the_operating_system_closes_a_connection_whose_server_does_not_answer(
    settings: Settings, proxy: PostgresProxy
) -> None:
    # Through the proxy, because a Unix socket has none of these options.
    connection = await connect(settings.model_copy(update={"database_url": SecretStr(proxy.url)}))
    try:
        link = cast("Any", connection)._transport.get_extra_info("socket")
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
            if hasattr(socket, option):
                assert link.getsockopt(socket.IPPROTO_TCP, getattr(socket, option)) <= 20_000
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
    finally:
        await connection.close()
