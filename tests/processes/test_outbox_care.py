"""Operating the outbox: unreadable rows are parked, a frozen leader is replaced, and the lag is reported."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.db import outbox_sql
from app.db.engine import connect
from app.messages import events
from app.processes.outbox_relay import OutboxRelay, run_relay
from app.settings import Settings
from app.telemetry import metrics
from tests.api.conftest import serving
from tests.live_world import entries, kinds_and_sequences, living, outbox_empty, running_relay, take
from tests.processes.test_cli import paycore, servers_of, until_a_lock_is_awaited
from tests.processes.test_outbox_relay import (
    commit_event,
    leader_pid,
    low_water,
    new_leader,
    outbox_rows,
    recording_relay,
    superuser,
    take_transaction_id,
    until_empty,
)
from tests.servers import free_port
from tests.waiting import START_SECONDS, soon

UNREADABLE = '{"v":1,"kind":"unheard-of"}'
HASTY = """
import asyncio, sys
from app.processes import outbox_relay
from app.settings import load_settings
assert outbox_relay._CONNECTION.pop("idle_session_timeout") == "30s"
outbox_relay._CONNECTION["idle_session_timeout"] = sys.argv[1]
asyncio.run(outbox_relay.run_relay(load_settings(), asyncio.Event()))
"""


@contextmanager
def hasty_relay(settings: Settings, idle_session_timeout: str) -> Iterator[subprocess.Popen[bytes]]:
    """A relay process whose session PostgreSQL ends after this time without a statement."""
    environment = {"PATH": "/usr/bin:/bin", **servers_of(settings)}
    process = subprocess.Popen([sys.executable, "-c", HASTY, idle_session_timeout], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings)
    yield connection
    await connection.close()


async def add(connection: asyncpg.Connection, payload: str, count: int) -> None:
    async with connection.transaction():
        await take_transaction_id(connection)
        await connection.execute(
            "INSERT INTO outbox (created_at, payload) SELECT now(), $1::text::json FROM generate_series(1, $2::int)",
            payload,
            count,
        )


async def test_unreadable_rows_are_parked_and_block_no_others(settings, writer, caplog):
    parked_before = metrics.RELAY_PARKED._value.get()
    async with recording_relay(settings, batch_limit=5) as (relay, recorder):
        # More than the relay takes in one batch.
        await add(writer, UNREADABLE, 12)
        readable = [await commit_event(writer) for _ in range(10)]
        await soon(lambda: set(readable) <= set(recorder.published))
        assert recorder.published == readable
        await soon(lambda: low_water(relay) > 0)
    assert await outbox_rows(writer) == 0
    assert await writer.fetchval("SELECT count(*) FROM outbox_parked WHERE reason LIKE '%unheard-of%'") == 12
    assert len([record for record in caplog.records if "parked outbox row" in record.message]) == 12
    assert metrics.RELAY_PARKED._value.get() - parked_before == 12


@pytest.mark.parametrize(
    "payload",
    [
        '{"v":1,"kind":"settled","transaction_id":"x","owner_ids":[],"entries":[[]]}',
        f'{{"v":1,"kind":"settled","transaction_id":"{uuid4()}","owner_ids":[],"entries":[],"trace":5}}',
        '{"v":1,"kind":"\\u0000"}',
        '{{"v":1,"kind":{}1{}}}'.format("[" * 900, "]" * 900),
        '{"v":1,"kind":"\\ud800"}',
        '"%s"' % ("x" * 100_000),
    ],
    ids=["an empty entry", "a number for a trace", "NUL", "deeply nested", "half a character", "long"],
)
async def test_no_unreadable_row_ends_the_relay(settings, writer, payload):
    async with recording_relay(settings) as (relay, recorder):
        await add(writer, payload, 1)
        wallet_id = await commit_event(writer)
        await soon(lambda: recorder.published == [wallet_id])
        assert relay.leading
    assert await writer.fetchval("SELECT count(*) FROM outbox_parked WHERE length(reason) < 600") == 1


async def test_parked_rows_are_listed_and_can_be_retried(settings, writer):
    wallet_id = await commit_event(writer)
    payload = await writer.fetchval("SELECT payload::text FROM outbox")
    await add(writer, payload, 2)
    # As an older relay leaves them.
    await writer.execute("SELECT park_unreadable(array_agg(id), array_agg('a kind of tomorrow'::text)) FROM outbox")
    async with recording_relay(settings) as (relay, recorder):
        await commit_event(writer)
        await soon(lambda: low_water(relay) > 0)
        listing = paycore("outbox", settings=settings)
        assert "parked: 3." in listing.stdout
        assert listing.stdout.count("a kind of tomorrow") == 3
        assert recorder.published.count(wallet_id) == 0
        assert "put back into the outbox: 3." in paycore("outbox", "--retry", settings=settings).stdout
        await soon(lambda: recorder.published.count(wallet_id) == 3)
    assert await writer.fetchval("SELECT count(*) FROM outbox_parked") == 0


async def test_a_subscription_gets_the_entries_whose_events_were_parked(world, settings, engine, writer):
    async with living(settings, engine) as live, aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(3)
        async with superuser(settings) as admin:
            await admin.execute("DELETE FROM outbox")
        await add(writer, UNREADABLE, 3)
        await world.pay(1)
        async with running_relay(settings):
            assert kinds_and_sequences(await take(updates, 4)) == entries(1, 4)
            await outbox_empty(engine)


async def test_a_frozen_leader_loses_its_lock(settings, writer):
    with hasty_relay(settings, "1s") as frozen:
        first = await new_leader(writer, None, START_SECONDS)
        # It has read and deleted once, so it is not frozen in the middle of its first statement.
        await commit_event(writer)
        await until_empty(writer)
        frozen.send_signal(signal.SIGSTOP)
        try:
            async with recording_relay(settings) as (_, recorder):
                assert await leader_pid(writer) != first
                wallet_id = await commit_event(writer)
                await soon(lambda: wallet_id in recorder.published)
        finally:
            frozen.send_signal(signal.SIGCONT)


async def test_a_standby_stays_connected_while_another_relay_leads(settings, writer):
    """A standby tries to get the lock at short intervals, so its session is never idle for long."""
    with hasty_relay(settings, "3s"), hasty_relay(settings, "3s"):
        first = await new_leader(writer, None, START_SECONDS)
        with pytest.raises(TimeoutError):
            await new_leader(writer, first, 6)


async def test_readiness_and_metrics_show_the_lag_while_no_relay_runs(settings, engine, writer):
    async with serving(settings, engine, relay=False) as api:
        http = api.http
        assert (await http.get("/readyz")).json()["outbox"] == {"pending": 0, "lag_seconds": 0.0, "parked": 0}
        await writer.execute(
            "INSERT INTO outbox (created_at, payload) SELECT now() - interval '90 s', $1::text::json FROM generate_series(1, 7)",
            events.wallet_state_payload(uuid4(), 1),
        )
        ready = await http.get("/readyz")
        assert ready.status_code == 200
        assert (ready.json()["outbox"]["pending"], ready.json()["outbox"]["lag_seconds"] > 89) == (7, True)
        samples = dict(line.rsplit(" ", 1) for line in (await http.get("/metrics")).text.splitlines() if line[0] != "#")
        assert float(samples["paycore_outbox_pending"]) == 7
        assert 89 < float(samples["paycore_outbox_lag_seconds"]) < 200
        assert float(samples["paycore_outbox_parked"]) == 0
        async with running_relay(settings):
            await outbox_empty(engine)
        assert (await http.get("/readyz")).json()["outbox"]["pending"] == 0


async def test_the_relay_serves_its_health_and_metrics_on_its_port(settings, clean_servers, writer):
    port = free_port()
    stop = asyncio.Event()
    relay = asyncio.create_task(run_relay(settings.model_copy(update={"relay_port": port}), stop))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            await new_leader(writer, None, START_SECONDS)
            assert (await http.get("/healthz")).status_code == 200
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()) == (
                200,
                {"status": "ready", "role": "leader", "database": "ok", "redis": "ok"},
            )
            clean_servers.stop_redis()
            await commit_event(writer)
            await until_redis(http, "unavailable")
            assert "\npaycore_relay_redis_connected 0.0" in (await http.get("/metrics")).text
            clean_servers.start_redis()
            await until_redis(http, "ok")
            assert "\npaycore_relay_redis_connected 1.0" in (await http.get("/metrics")).text
            assert "paycore_relay_published_total" in (await http.get("/metrics")).text
    finally:
        stop.set()
        await asyncio.wait_for(relay, 10)


@pytest.mark.parametrize("stands_by", [False, True], ids=["leads", "stands by"])
async def test_an_idle_relay_stays_ready_and_reports_that_redis_is_down(settings, clean_servers, writer, stands_by):
    port, stop = free_port(), asyncio.Event()
    async with AsyncExitStack() as stack:
        if stands_by:
            await stack.enter_async_context(recording_relay(settings))
        relay = asyncio.create_task(run_relay(settings.model_copy(update={"relay_port": port}), stop))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                await until_it_answers(http)
                await until_readiness(http, 200)
                assert (await http.get("/readyz")).json()["role"] == ("standby" if stands_by else "leader")
                clean_servers.stop_redis()
                await until_redis(http, "unavailable")
                clean_servers.start_redis()
                await until_redis(http, "ok")
        finally:
            stop.set()
            await asyncio.wait_for(relay, 10)


async def test_a_leader_that_lost_redis_and_its_lock_finds_redis_again_as_a_standby(settings, clean_servers, writer):
    async with recording_relay(settings) as (relay, _), superuser(settings) as heir, superuser(settings) as admin:
        clean_servers.stop_redis()
        await commit_event(writer)
        await soon(lambda: role_and_redis(relay) == ("leader", "unavailable"))
        inherits = asyncio.create_task(heir.execute("SELECT pg_advisory_lock($1)", outbox_sql.LEADER_LOCK))
        await until_a_lock_is_awaited(settings)
        await admin.execute("SELECT pg_terminate_backend($1)", await leader_pid(writer))
        await inherits
        await soon(lambda: not relay.leading)
        clean_servers.start_redis()
        # It has nothing to publish, so only its own check finds this out.
        await soon(lambda: role_and_redis(relay) == ("standby", "ok"), 20)


async def until_it_answers(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(httpx.ConnectError):
                await http.get("/healthz")
                return
            await asyncio.sleep(0.05)


async def until_readiness(http: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(20):
        while (await http.get("/readyz")).status_code != status:  # noqa: ASYNC110 - it happens in the relay
            await asyncio.sleep(0.05)


async def until_redis(http: httpx.AsyncClient, state: str) -> None:
    """Wait until readiness has this state of Redis; the relay must report ready at each poll."""
    async with asyncio.timeout(20):
        while True:
            ready = await http.get("/readyz")
            assert ready.status_code == 200, ready.text
            if ready.json()["redis"] == state:
                return
            await asyncio.sleep(0.05)


def role_and_redis(relay: OutboxRelay) -> tuple[str, str]:
    state = relay.state()
    return state.role, state.redis
