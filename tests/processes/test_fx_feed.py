"""The leading relay reads the feed of exchange rates. Whatever happens to the feed or the relay, no bad rate is used."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.clock import system_clock
from app.db import fx_sql
from app.db.pool import Database
from app.services.fx_feeds import JsonFeed
from app.services.fx_rates import usable_rates
from app.settings import Settings
from tests.forks import EXECUTABLE
from tests.live_world import World, outbox_empty, running_relay
from tests.processes.test_cli import servers_of, until_a_lock_is_awaited
from tests.rate_feed import feed_server, rates_document, rates_in_force
from tests.servers import free_port
from tests.waiting import START_SECONDS, soon

MAX_AGE_SECONDS = 4


@contextmanager
def relay(
    settings: Settings, url: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[psutil.Popen, int]]:
    """`paycore relay` that reads this feed each second, and the port of its metrics."""
    port = free_port()
    variables = {
        "PATH": "/usr/bin:/bin", **servers_of(settings), "PAYCORE_RELAY_PORT": str(port), "PAYCORE_FX_FEED_URL": url,
        "PAYCORE_FX_FEED_SECONDS": "1", "PAYCORE_FX_MAX_RATE_AGE_SECONDS": str(MAX_AGE_SECONDS), **(environment or {}),
    }  # fmt: skip
    with log.open("ab") as file:
        process = psutil.Popen([EXECUTABLE, "relay"], env=variables, stdout=file, stderr=file)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)


async def answers(port: int, path: str) -> httpx.Response | None:
    async with httpx.AsyncClient(timeout=2) as client:
        try:
            return await client.get(f"http://127.0.0.1:{port}{path}")
        except httpx.HTTPError:
            return None


async def euros(engine: Database, settings: Settings) -> Decimal | None:
    """The rate from dollars to euros that a quote would get now."""
    short = settings.model_copy(update={"fx_max_rate_age_seconds": MAX_AGE_SECONDS})
    found = (await usable_rates(engine, short, system_clock())).rate("USD", "EUR")
    return found and found.rate


async def until_euros(engine: Database, settings: Settings, expected: Decimal | None) -> None:
    async with asyncio.timeout(START_SECONDS):
        while await euros(engine, settings) != expected:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


async def test_rates_arrive_and_age_while_the_feed_is_away_and_arrive_again(
    settings: Settings, engine: Database, tmp_path: Path
) -> None:
    log = tmp_path / "relay.log"
    async with feed_server(rates_document(EUR="0.92")) as server:
        with relay(settings, server.url, log) as (process, port):
            await until_euros(engine, settings, Decimal("0.92"))
            server.body = rates_document(EUR="0.93", JPY=0)
            await until_euros(engine, settings, Decimal("0.93"))
            server.status = 503
            await until_euros(engine, settings, None)
            ready, exposed = await answers(port, "/readyz"), await answers(port, "/metrics")
            assert ready is not None
            assert exposed is not None
            assert ready.status_code == 200, "a feed that is away is no reason to replace a relay"
            values = dict(line.rsplit(" ", 1) for line in exposed.text.splitlines() if line.startswith("paycore_fx"))
            assert float(values["paycore_fx_feed_age_seconds"]) >= MAX_AGE_SECONDS - 1
            assert float(values['paycore_fx_feed_polls_total{outcome="failed"}']) > 0
            assert float(values['paycore_fx_feed_refused_total{reason="not_positive"}']) > 0
            server.status = 200
            await until_euros(engine, settings, Decimal("0.93"))
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0
    logged = log.read_text()
    assert "refused the feed's rate from USD to JPY" in logged
    assert "the response status was 503" in logged
    assert "secret" not in logged
    assert "Traceback" not in logged


async def test_a_relay_that_stands_by_does_not_read_the_feed(settings: Settings, engine: Database, tmp_path: Path) -> None:
    async with feed_server(rates_document(EUR="0.92")) as server:
        with relay(settings, server.url, tmp_path / "first.log"):
            await until_euros(engine, settings, Decimal("0.92"))
            async with feed_server(rates_document(EUR="0.93")) as second, asyncio.timeout(START_SECONDS):
                with relay(settings, second.url, tmp_path / "second.log") as (_, port):
                    while (found := await answers(port, "/readyz")) is None or found.json()["role"] != "standby":  # noqa: ASYNC110 - in another process
                        await asyncio.sleep(0.05)
                    before = server.requests
                    await soon(lambda: server.requests >= before + 2)
                    assert second.requests == 0


async def test_a_relay_that_is_killed_in_the_middle_of_a_poll_leaves_nothing_and_the_next_one_takes_over(
    settings: Settings, engine: Database, tmp_path: Path
) -> None:
    patient = {
        "PAYCORE_LOCK_TIMEOUT_MS": "20000",
        "PAYCORE_STATEMENT_TIMEOUT_MS": "25000",
        "PAYCORE_REQUEST_TIMEOUT_SECONDS": "60",
    }
    async with feed_server(rates_document(EUR="0.92", JPY=150)) as server:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            with relay(settings, server.url, tmp_path / "relay.log", patient) as (process, _):
                await connection.execute(text(f"SELECT pg_advisory_lock({fx_sql._LOCK}, 0)"))
                await until_a_lock_is_awaited(settings)
                process.kill()
                await asyncio.to_thread(process.wait, 30)
            await connection.execute(text(f"SELECT pg_advisory_unlock({fx_sql._LOCK}, 0)"))
        assert await rates_in_force(engine) == {}
        with relay(settings, server.url, tmp_path / "relay.log"):
            await until_euros(engine, settings, Decimal("0.92"))
        assert len(await rates_in_force(engine)) == 2


@pytest.mark.parametrize("fault", ["hangs", "drips"])
async def test_a_relay_stops_at_once_while_the_feed_does_not_answer(settings: Settings, tmp_path: Path, fault: str) -> None:
    async with feed_server() as server:
        server.hangs, server.drips = fault == "hangs", fault == "drips"
        with relay(settings, server.url, tmp_path / "relay.log") as (process, _):
            await soon(lambda: server.requests, START_SECONDS)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0
    logged = (tmp_path / "relay.log").read_text()
    assert "Traceback" not in logged
    assert "before its current batch is done" not in logged, "it does not wait for the feed"


async def test_a_bug_in_a_feed_does_not_end_the_relay(
    world: World, settings: Settings, engine: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    async def broken(_self: JsonFeed) -> None:
        nonlocal reads
        reads += 1
        raise ZeroDivisionError

    monkeypatch.setattr(JsonFeed, "read", broken)
    update = {"fx_feed_url": SecretStr("https://rates.example/"), "fx_feed_seconds": 1.0}
    async with running_relay(settings.model_copy(update=update)):
        await soon(lambda: reads > 1)
        await world.pay(3)
        await outbox_empty(engine)
