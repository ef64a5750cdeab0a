"""Database URLs with the parameters that providers add, with several hosts, and with certificates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from app.db.database_url import UntrustedServer, parse
from app.db.engine import open_connection
from app.db.failures import is_unavailable
from app.demo.embedded.postgres import EmbeddedPostgres
from app.errors import ConfigurationError
from app.messages.publisher import RedisPublisher, redis_url
from app.processes.outbox_relay import OutboxRelay
from app.settings import Settings
from tests.servers import fetch_value, with_database
from tests.tls_proxy import TlsProxy, make_certificate
from tests.waiting import soon


def url_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def at(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(url)})


async def query_value(settings: Settings, query: str) -> object:
    connection = await open_connection(settings)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
async def tls(settings: Settings, tmp_path: Path) -> AsyncIterator[TlsProxy]:
    proxy = TlsProxy(url_of(settings))
    proxy.certificate = make_certificate(tmp_path / "good.pem")
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def standby(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the same name on a server in recovery."""
    server = EmbeddedPostgres(tmp_path / "standby", durable=False)
    (tmp_path / "standby").mkdir()
    url = with_database(server.url, urlsplit(url_of(settings)).path.removeprefix("/"))
    try:
        server.start()
        fetch_value(server.url, f"CREATE DATABASE {urlsplit(url).path.removeprefix('/')}")
        fetch_value(server.url, f"CREATE ROLE {settings.database_role}")
        signal = Path(fetch_value(server.url, "SHOW data_directory")) / "standby.signal"
        server.stop()
        signal.touch()
        signal.chmod(0o666)
        server.start()
        yield url
    finally:
        server.stop()
        server.clean_up()


@asynccontextmanager
async def relaying(settings: Settings) -> AsyncIterator[OutboxRelay]:
    """Run a relay. Fails if the relay ends before the block does."""
    publisher, stop = RedisPublisher(redis_url(settings)), asyncio.Event()
    relay = OutboxRelay(settings, publisher)
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay
        assert not task.done()
    finally:
        stop.set()
        await asyncio.wait([task], timeout=30)
        await publisher.close()


@pytest.mark.parametrize(
    "more",
    [
        "channel_binding=require",
        "channel_binding=prefer&gssencmode=prefer&sslmode=prefer",
        "connect_timeout=10&application_name=wallets",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=5&tcp_user_timeout=1000",
        "options=-c%20search_path%3Dpublic",
    ],
)
async def test_parameters_that_providers_add_are_accepted(settings: Settings, more: str) -> None:
    url = url_of(settings)
    assert await query_value(at(settings, f"{url}{'&' if '?' in url else '?'}{more}"), "SELECT 1") == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:sesame@h/n?frob=1", "does not know: frob"),
        ("postgresql://u:sesame@h/n?sslmode=verify-full", "needs a root certificate"),
        ("postgresql://u:sesame@h/n?sslmode=verify-ca", "needs a root certificate"),
        ("postgresql://u:sesame@h/n?sslrootcert=/nowhere.pem", "cannot be read: /nowhere.pem"),
        ("postgresql://u:sesame@h/n?sslmode=require&sslrootcert=system", "needs sslmode=verify-full"),
        ("postgresql://u:sesame@h/n?gssencmode=require", "gssencmode=require is not supported"),
        ("postgresql://u:sesame@h/n?target_session_attrs=standby", "must be read-write"),
        ("postgresql://u:se?sesame=1@h/n", "is not valid"),
        ("postgresql://u:se#sesame@h/n", "is not valid"),
        ("postgresql://u@h/n?password=open&sesame=1", "is not valid"),
        ("postgresql://u:sesame@h/n?connect_timeout=soon", "is not valid"),
        ("postgresql://u:sesame@h:x,g/n", "is not valid"),
    ],
)
def test_an_invalid_url_is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, says: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError) as raised:
        parse(url)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "sesame" not in str(raised.value)


async def test_sslrootcert_system_trusts_the_certificates_of_the_operating_system(
    settings: Settings, tls: TlsProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UntrustedServer):
        await open_connection(at(settings, tls.verified("system")))
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
    assert await query_value(at(settings, tls.verified("system")), "SELECT 1") == 1


async def test_an_untrusted_certificate_raises_untrusted_server_and_counts_as_unavailable(
    settings: Settings, tls: TlsProxy, tmp_path: Path
) -> None:
    verifying = at(settings, tls.verified(tls.certificate))
    assert await query_value(verifying, "SELECT 1") == 1
    tls.certificate = make_certificate(tmp_path / "other.pem")
    with pytest.raises(UntrustedServer, match="certificate is not accepted") as raised:
        await open_connection(verifying)
    assert is_unavailable(raised.value)


async def test_the_relay_waits_until_the_certificate_is_accepted(settings: Settings, tls: TlsProxy, tmp_path: Path) -> None:
    good, tls.certificate = tls.certificate, make_certificate(tmp_path / "other.pem")
    async with relaying(at(settings, tls.verified(good))) as relay:
        await soon(lambda: tls.refusals > 1)
        assert not relay.leading
        tls.certificate = good
        await soon(lambda: relay.leading)


@pytest.mark.parametrize("order", ["standby first", "standby last"])
async def test_the_host_that_accepts_writes_is_used(settings: Settings, standby: str, order: str) -> None:
    first, last = (standby, url_of(settings)) if order == "standby first" else (url_of(settings), standby)
    hosts = [parse_qs(urlsplit(url).query)["host"][0] for url in (first, last)]
    several = urlsplit(standby)._replace(query=f"host={','.join(hosts)}").geturl()
    assert await query_value(at(settings, several), "SELECT pg_is_in_recovery()") is False


async def test_an_error_that_all_hosts_are_read_only_counts_as_unavailable(settings: Settings, standby: str) -> None:
    host = parse_qs(urlsplit(standby).query)["host"][0]
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched) as raised:
        await open_connection(at(settings, urlsplit(standby)._replace(query=f"host={host},{host}").geturl()))
    assert is_unavailable(raised.value)


async def test_a_silent_host_does_not_use_up_the_next_hosts_time(settings: Settings) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    try:
        host = parse_qs(urlsplit(url_of(settings)).query)["host"][0]
        both = urlsplit(url_of(settings))._replace(query=f"host=127.0.0.1,{host}&port={port},5432&connect_timeout=2").geturl()
        assert await query_value(at(settings, both), "SELECT 1") == 1
    finally:
        silent.close()


async def test_a_relay_does_not_lead_on_a_standby(settings: Settings, standby: str, caplog: pytest.LogCaptureFixture) -> None:
    async with relaying(at(settings, standby)) as relay:
        await soon(lambda: "it is read-only" in caplog.text)
        assert not relay.leading
        assert not relay.state().ready
