"""Readiness depends on what requests need; the state of live updates is only reported."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.pool import Database
from app.services import group_commit
from app.services.group_commit import GroupCommit
from app.settings import Settings
from tests.api.conftest import Api, serving
from tests.bank import new_key
from tests.live_world import living, living_world
from tests.servers import Given, Servers
from tests.waiting import soon

DETAILS = ["redis", "live_updates", "rate_limits"]


async def until(http: httpx.AsyncClient, **wanted: object) -> dict[str, Any]:
    """Wait until readiness has the wanted values; it must report ready at each poll."""
    async with asyncio.timeout(30):
        while True:
            answer = await http.get("/readyz")
            assert answer.status_code == 200, answer.text
            shown: dict[str, Any] = answer.json()
            if all(shown[name] == value for name, value in wanted.items()):
                return shown
            await asyncio.sleep(0.05)


async def metric(http: httpx.AsyncClient, name: str) -> float:
    lines = (await http.get("/metrics")).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


async def pays(api: Api) -> None:
    sender = await api.bank.wallet(await api.bank.viewer("alice"), balance="10.00")
    receiver = await api.bank.wallet(await api.bank.viewer("bob"))
    payment = {"sender_wallet_id": sender, "receiver_wallet_id": receiver, "amount": "1.00", "currency": "USD"}
    paid = await api.http.post("/transfer", json=payment, headers={**api.headers("alice"), "Idempotency-Key": new_key()})
    assert paid.status_code == 201, paid.text


async def test_a_process_stays_ready_and_reports_what_is_degraded_while_redis_is_down(api: Api, clean_servers: Servers) -> None:
    await until(api.http, degraded=[])
    clean_servers.stop_redis()
    shown = await until(api.http, degraded=DETAILS)
    assert (shown["status"], shown["redis"], shown["rate_limits"]) == ("ready", "unavailable", "unavailable")
    assert shown["live_updates"] == "from the database, every 3 s"
    assert await metric(api.http, "paycore_redis_connected") == 0
    await pays(api)
    clean_servers.start_redis()
    await until(api.http, degraded=[], redis="ok", live_updates="ok", rate_limits="ok")
    assert await metric(api.http, "paycore_redis_connected") == 1


async def test_a_process_that_starts_while_redis_is_down_is_ready(
    settings: Settings, engine: Database, clean_servers: Servers
) -> None:
    clean_servers.stop_redis()
    async with serving(settings, engine, relay=False) as api:
        await until(api.http, degraded=DETAILS)
        await pays(api)


async def test_readiness_reports_live_updates_that_wait_for_the_database(
    settings: Settings, engine: Database, clean_servers: Servers
) -> None:
    async with living_world(engine, settings) as world, living(settings, engine) as live:
        updates = live.watch_wallet(world.bob, world.bob_wallet)
        assert live.state == "ok"
        clean_servers.kill_postgres()
        first = asyncio.ensure_future(anext(updates))
        await soon(lambda: live.state == "waiting for the database", 20)
        clean_servers.start_postgres()
        await asyncio.wait_for(first, 30)
        assert live.state == "ok"
        await updates.aclose()


async def test_live_updates_stop_waiting_for_the_database_once_the_subscriber_leaves(
    settings: Settings, engine: Database, clean_servers: Servers
) -> None:
    async with living_world(engine, settings) as world, living(settings, engine) as live:
        clean_servers.kill_postgres()
        first = asyncio.ensure_future(anext(live.watch_wallet(world.bob, world.bob_wallet)))
        await soon(lambda: live.state == "waiting for the database", 20)
        first.cancel()
        await asyncio.wait([first], timeout=20)
        assert live.state == "ok"
        clean_servers.start_postgres()


async def test_a_process_whose_settling_failed_is_not_ready_until_it_settles_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "RESTART_SECONDS", 3.0)

    async def fail(_self: object) -> None:
        message = "a bug outside of the guarded part"
        raise RuntimeError(message)

    with monkeypatch.context() as patched:
        patched.setattr(GroupCommit, "_gather", fail)
        payment = asyncio.ensure_future(pays(api))
        async with asyncio.timeout(30):
            while (shown := await api.http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - it happens in the service
                await asyncio.sleep(0.02)
        assert (shown.status_code, shown.json()["settling"]) == (503, "not running")
    await payment
    await until(api.http, settling="ok")
    await pays(api)


async def test_a_database_that_turns_read_only_costs_only_time(
    api: Api, servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(servers, Given):
        pytest.skip("needs a PostgreSQL whose settings may be changed")
    sender = await api.bank.wallet(await api.bank.viewer("alice"), balance="10.00")
    receiver = await api.bank.wallet(await api.bank.viewer("bob"))
    payment = {"sender_wallet_id": sender, "receiver_wallet_id": receiver, "amount": "1.00", "currency": "USD"}
    headers = {**api.headers("alice"), "Idempotency-Key": new_key()}
    await until(api.http, database="ok")
    administrator = await asyncpg.connect(servers.database_url)
    try:
        await administrator.execute("SET default_transaction_read_only = off")
        await administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await administrator.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(30):
            while (shown := await api.http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - it happens in the service
                await asyncio.sleep(0.05)
        assert shown.json()["database"] == "read-only"
        refused = await api.http.post("/transfer", json=payment, headers=headers)
        assert (refused.status_code, refused.json()["retryable"]) == (503, True)
    finally:
        await administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await administrator.execute("SELECT pg_reload_conf()")
        await administrator.close()
    await soon_ready(api.http)
    paid = await api.http.post("/transfer", json=payment, headers=headers)
    assert paid.status_code == 201
    assert await api.bank.balance(receiver) == 100
    async with asyncio.timeout(30):
        while await api.bank.count("outbox"):  # noqa: ASYNC110 - the relay publishes it
            await asyncio.sleep(0.05)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def soon_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it happens in the service
            await asyncio.sleep(0.05)
