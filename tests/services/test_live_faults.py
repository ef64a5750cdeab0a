"""Watches continue after failures of Redis, PostgreSQL and the relay, cost little, and release what they hold."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from time import monotonic

import asyncpg

from app.db.engine import create_engine
from app.paging.update_cursor import encode_update_cursor
from app.records import WalletStatus
from app.services.wallet_watch import WalletUpdate
from app.settings import Settings
from tests.live_world import (
    entries,
    kinds_and_sequences,
    living,
    nothing_comes,
    running_relay,
    take,
)
from tests.statements import on_each_statement, recorded_statements
from tests.waiting import soon


async def test_changes_without_an_event_are_found_by_the_regular_comparison(world, settings, engine):
    async with (
        living(settings, engine, check=0.2) as live,
        aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates,
    ):
        await take(updates, 1)
        await world.pay(2)
        await world.set_status(world.bob_wallet, WalletStatus.FROZEN)
        received = await take(updates, 3)
        assert kinds_and_sequences(received) == [*entries(1, 2), ("STATE", 2)]
        assert await nothing_comes(updates, 0.6)


async def test_all_watched_wallets_are_compared_in_one_statement(world, settings, engine):
    async with living(settings, engine, check=0.3) as live:
        watches = [
            live.watch_wallet(world.admin, wallet_id) for wallet_id in [world.alice_wallet, world.bob_wallet] for _ in range(20)
        ]
        for updates in watches:
            await take(updates, 1)
        with recorded_statements(engine) as statements:
            started = monotonic()
            await soon(lambda: len(statements) >= 3)
            assert len(statements) <= (monotonic() - started) / 0.3 + 1, "one for each check"
            assert all("wallets.version" in statement for statement, _ in statements)
            for updates in watches:
                await updates.aclose()


async def test_live_entries_need_no_read(world, live, settings, engine):
    # The ledger uses its own connections, so each statement on the engine is a read of the watch.
    async with running_relay(settings), aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        with recorded_statements(engine) as statements:
            for _ in range(10):
                await world.pay()
            assert kinds_and_sequences(await take(updates, 10)) == entries(1, 10)
            assert statements == []


async def test_a_restart_of_redis_during_traffic_loses_no_entry(world, settings, engine, clean_servers):
    async with living(settings, engine) as live, running_relay(settings):
        received: list[WalletUpdate] = []

        async def watch() -> None:
            async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
                async for update in updates:
                    received.append(update)
                    if update.wallet.sequence >= 300 and update.entry and update.entry.sequence == 300:
                        return

        watching = asyncio.create_task(watch())
        await soon(lambda: received)
        for number in range(300):
            await world.pay()
            if number % 75 == 50:
                clean_servers.restart_redis()
        await asyncio.wait_for(watching, 60)
        assert kinds_and_sequences(received) == [("SNAPSHOT", 0), *entries(1, 300)]


async def test_while_redis_is_down_entries_come_from_the_regular_comparison(world, settings, engine, clean_servers):
    async with living(settings, engine, check=0.2) as live, running_relay(settings):
        clean_servers.stop_redis()
        async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
            assert kinds_and_sequences(await take(updates, 1)) == [("SNAPSHOT", 0)]
            await world.pay(2)
            assert kinds_and_sequences(await take(updates, 2)) == entries(1, 2)
            clean_servers.start_redis()
            await world.pay(2)
            assert kinds_and_sequences(await take(updates, 2)) == entries(3, 4)


async def test_a_slow_reader_receives_every_entry(world, settings, engine):
    async with (
        living(settings, engine, buffer=5) as live,
        running_relay(settings),
        aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as slow,
        aclosing(live.watch_wallet(world.admin, world.bob_wallet)) as quick,
    ):
        await take(slow, 1)
        await take(quick, 1)
        for _ in range(60):
            await world.pay()
            await take(quick, 1)
        assert kinds_and_sequences(await take(slow, 60)) == entries(1, 60)
        await world.pay()
        assert kinds_and_sequences(await take(slow, 1)) == entries(61, 61)


async def test_a_crash_of_the_database_does_not_end_a_watch(world, settings, engine, publisher, clean_servers):
    async with living(settings, engine) as live, aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(2)
        await checkpoint(settings)
        clean_servers.kill_postgres()
        # A message that requires a read while the database is down.
        await publisher.publish([(world.names.wallet_channel(world.bob_wallet), "{")])
        pending = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0.5)
        assert not pending.done()
        clean_servers.start_postgres()
        assert kinds_and_sequences([await asyncio.wait_for(pending, 30), *await take(updates, 1)]) == entries(1, 2)


async def test_watches_cancelled_at_any_moment_leave_no_task_subscription_or_connection(world, settings, engine):
    async with living(settings, engine, check=0.05) as live, running_relay(settings):
        # After one payment, and once the relay leads, its own tasks are running and counted. Some of them end by themselves.
        await world.pay(1)
        await soon(lambda: any(task.get_name() == "sealer" for task in asyncio.all_tasks()))
        before = asyncio.all_tasks()
        chance = random.Random(1)

        async def watch() -> None:
            after = encode_update_cursor(world.bob_wallet, 0)
            async with aclosing(live.watch_wallet(world.bob, world.bob_wallet, after)) as updates:
                async for _ in updates:
                    if chance.random() < 0.02:
                        return

        for _ in range(10):
            watches = [asyncio.create_task(watch()) for _ in range(30)]
            for one in watches:
                asyncio.get_running_loop().call_later(chance.random() / 10, one.cancel)
            await world.pay(5)
            await asyncio.gather(*watches, return_exceptions=True)
        assert live._watches == set()
        assert live._pubsub._subscribers == {}
        assert live._pubsub.healthy
        # The regular comparison may be reading at this moment.
        await soon(lambda: engine.pool.checkedout() == 0)
        await soon(lambda: live._shared.database._slots._value == settings.database_pool_size // 3)
        await soon(lambda: asyncio.all_tasks() <= before)
        # The relay's sessions are in a transaction for moments.
        counts = [await idle_in_transaction(settings) for _ in range(100)]
        assert 0 in counts


async def test_stop_ends_every_watch(world, settings, engine):
    async with living(settings, engine) as live:
        received: list[str] = []

        async def watch() -> None:
            async for update in live.watch_wallet(world.bob, world.bob_wallet):
                received.append(update.kind)  # noqa: PERF401 - each as it comes

        watches = [asyncio.create_task(watch()) for _ in range(10)]
        await soon(lambda: len(received) == 10)
    await asyncio.wait_for(asyncio.gather(*watches), 5)
    assert received == ["SNAPSHOT"] * 10


async def test_catching_up_uses_at_most_a_third_of_the_connections(world, settings):
    engine = create_engine(settings, pool_size=3)
    async with living(settings.model_copy(update={"database_pool_size": 3}), engine) as live:
        busiest = 0

        def record(*_: object) -> None:
            nonlocal busiest
            busiest = max(busiest, engine.pool.checkedout())  # type: ignore[attr-defined]

        with on_each_statement(engine, record):
            watches = [live.watch_wallet(world.bob, world.bob_wallet) for _ in range(30)]
            await asyncio.gather(*(take(updates, 1) for updates in watches))
            for updates in watches:
                await updates.aclose()
        assert busiest == 1
    await engine.dispose()


async def checkpoint(settings: Settings) -> None:
    """Write everything to disk, so that a crash loses nothing: the tests' servers run without fsync."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.execute("CHECKPOINT")
    await connection.close()


async def idle_in_transaction(settings: Settings) -> int:
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
            )
        )
    finally:
        await connection.close()
