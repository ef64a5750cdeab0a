"""The outbox relay publishes every event in order, over crashes, takeovers, late commits and server outages."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.db import outbox_sql
from app.db.engine import connect
from app.messages import events
from app.messages.publisher import RedisPublisher, redis_url
from app.messages.pubsub import PubSub
from app.processes.outbox_relay import IDLE_SECONDS, OutboxRelay, run_relay
from app.services.wallet_watch import WalletUpdate
from app.settings import Settings
from tests.forks import Command, start
from tests.live_world import World, entries, kinds_and_sequences, living, outbox_empty, running_relay, take
from tests.processes.test_cli import servers_of
from tests.waiting import START_SECONDS, soon


class Recorder(RedisPublisher):
    """Publishes to Redis and records the wallets of the published events, in order."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(redis_url(settings))
        self.published: list[str] = []

    async def publish(self, messages: Iterable[tuple[str, str]]) -> None:
        messages = list(messages)
        await super().publish(messages)
        self.published += [channel.rpartition(":")[2] for channel, _ in messages if not channel.endswith(":check")]


@asynccontextmanager
async def recording_relay(settings: Settings, **limits: int) -> AsyncIterator[tuple[OutboxRelay, Recorder]]:
    recorder = Recorder(settings)
    relay = OutboxRelay(settings, recorder, **limits)
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        await soon(lambda: relay.leading)
        yield relay, recorder
    finally:
        stop.set()
        await task
        await recorder.close()


def low_water(relay: OutboxRelay) -> int:
    """The outbox id up to which the relay has numbered or parked every row."""
    return 0 if relay._positions is None else relay._positions.low_water


@contextmanager
def relay_process(settings: Settings) -> Iterator[Command]:
    process = start("relay", environment=servers_of(settings))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings, idle_in_transaction_session_timeout="0", transaction_timeout="0")
    yield connection
    await connection.close()


@pytest.fixture
async def other_writer(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings, idle_in_transaction_session_timeout="0", transaction_timeout="0")
    yield connection
    await connection.close()


async def take_transaction_id(connection: asyncpg.Connection) -> None:
    """Assign a transaction id, as the service's writers do by locking wallets before they write to the outbox."""
    await connection.execute("SELECT pg_current_xact_id()")


async def insert_event(connection: asyncpg.Connection, payload: str | None = None) -> str:
    """Insert an event into the outbox; return its wallet's id."""
    wallet_id = uuid4()
    payload = payload or events.wallet_state_payload(wallet_id, 1)
    await connection.execute("INSERT INTO outbox (created_at, payload) VALUES (now(), $1::text::json)", payload)
    return str(wallet_id)


async def commit_event(connection: asyncpg.Connection, payload: str | None = None) -> str:
    async with connection.transaction():
        await take_transaction_id(connection)
        return await insert_event(connection, payload)


async def outbox_rows(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM outbox"))


async def until_empty(connection: asyncpg.Connection) -> None:
    """Wait until the relay has deleted what it published, which it does with its next claim."""
    async with asyncio.timeout(START_SECONDS):
        while await outbox_rows(connection):  # noqa: ASYNC110 - it happens in the relay
            await asyncio.sleep(0.02)


async def leader_pid(connection: asyncpg.Connection) -> int | None:
    """The database session that holds the leader's lock in this test's database."""
    pid: int | None = await connection.fetchval(
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database AND d.datname = current_database() "
        "WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = $1",
        outbox_sql.LEADER_LOCK,
    )
    return pid


async def new_leader(connection: asyncpg.Connection, old: int | None, seconds: float = 5) -> int:
    async with asyncio.timeout(seconds):
        while True:
            pid = await leader_pid(connection)
            if pid is not None and pid != old:
                return pid
            await asyncio.sleep(0.02)


async def test_events_are_published_in_order_and_deleted(world, settings):
    pubsub = PubSub(redis_url(settings), world.names.check_channel, buffer=1000)
    await pubsub.connect()
    async with pubsub.subscribe(world.names.wallet_channel(world.bob_wallet)) as subscription, running_relay(settings):
        await world.pay(100)
        received = [events.parse(str(await asyncio.wait_for(subscription.get(), 5))) for _ in range(100)]
        assert [event.entry.sequence for event in received if isinstance(event, events.EntryEvent)] == list(range(1, 101))
        await outbox_empty(world.engine)
    await pubsub.disconnect()


def counted_polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of each poll of the outbox by relays of this process, from now on."""
    polls: list[float] = []
    claim = outbox_sql.claim

    async def claim_and_count(*arguments: Any, **options: Any) -> Any:
        polls.append(time.monotonic())
        return await claim(*arguments, **options)

    monkeypatch.setattr(outbox_sql, "claim", claim_and_count)
    return polls


async def test_an_idle_relay_wakes_quickly_and_polls_rarely(settings, writer, monkeypatch):
    polls = counted_polls(monkeypatch)
    async with recording_relay(settings) as (_, recorder):
        await soon(lambda: len(polls) >= 2)
        polls.clear()
        await asyncio.sleep(1)
        assert len(polls) <= 2 / IDLE_SECONDS
        wallet_id = await commit_event(writer)
        polls.clear()
        await soon(lambda: wallet_id in recorder.published, 5)
        # One may have started before the commit. Counted, as a busy machine takes longer for each.
        assert len(polls) <= 3


@pytest.mark.parametrize("older", ["the late one", "the early one"])
async def test_a_row_that_commits_after_higher_ids_is_published(settings, writer, other_writer, older, monkeypatch):
    late, early = writer, other_writer
    polls = counted_polls(monkeypatch)

    async def several_polls() -> None:
        before = len(polls)
        await soon(lambda: len(polls) >= before + 5)

    async with recording_relay(settings) as (relay, recorder), connected(settings) as third:
        late_transaction, early_transaction = late.transaction(), early.transaction()
        await late_transaction.start()
        await early_transaction.start()
        for connection in (late, early) if older == "the late one" else (early, late):
            await take_transaction_id(connection)
        # The late row has the lower outbox id.
        of_late = await insert_event(late)
        of_early = await insert_event(early)
        await early_transaction.commit()
        await soon(lambda: of_early in recorder.published)
        # Idle and busy polls must both remember the gap.
        await several_polls()
        others = [await commit_event(third) for _ in range(20)]
        await soon(lambda: set(others) <= set(recorder.published))
        await several_polls()
        assert of_late not in recorder.published
        assert low_water(relay) == 0
        await late_transaction.commit()
        await soon(lambda: of_late in recorder.published)
        await soon(lambda: low_water(relay) > 0)
        await until_empty(third)


async def test_random_commits_out_of_order_are_all_published(settings):
    async with recording_relay(settings, batch_limit=3) as (_, recorder):
        told_of: list[str] = []

        async def write(number: int) -> None:
            async with connected(settings) as connection:
                for round_ in range(30):
                    async with connection.transaction():
                        await take_transaction_id(connection)
                        told_of.append(await insert_event(connection))
                        await asyncio.sleep((number * 7 + round_ * 3) % 11 / 500)
                        told_of.append(await insert_event(connection))

        await asyncio.gather(*(write(number) for number in range(8)))
        await soon(lambda: set(told_of) <= set(recorder.published))
        assert sorted(told_of) == sorted(recorder.published)


async def test_polls_stay_cheap_while_an_old_snapshot_is_open(settings, writer, other_writer):
    """A backup keeps deleted rows from being vacuumed; polls must not scan all of them each time."""
    backup, count = other_writer, 5000
    async with backup.transaction(isolation="repeatable_read", readonly=True):
        await backup.execute("SELECT count(*) FROM outbox")
        async with recording_relay(settings) as (relay, recorder):
            for _ in range(5):
                async with writer.transaction():
                    await take_transaction_id(writer)
                    await writer.execute(
                        "INSERT INTO outbox (created_at, payload) SELECT now(), $1::text::json FROM generate_series(1, $2::int)",
                        events.wallet_state_payload(uuid4(), 1),
                        count // 5,
                    )
                await soon(lambda: low_water(relay) > 0)
            await soon(lambda: len(recorder.published) == count)
            # Events continue one by one, as during a long backup.
            for _ in range(3):
                await commit_event(writer)
            await soon(lambda: len(recorder.published) == count + 3)
            reached = low_water(relay)
            assert await pages_of_a_poll(writer, 0) > 100, "without a low-water mark a poll scans the deleted rows"
            assert await pages_of_a_poll(writer, reached) < 30


async def pages_of_a_poll(connection: asyncpg.Connection, after_id: int) -> int:
    explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    ranges = [after_id + 1], [2**63 - 1]
    plan = json.loads(await connection.fetchval(explain + outbox_sql._CLAIM, *ranges, 500, 0, 0))[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def test_a_relay_that_dies_between_publishing_and_deleting_repeats_events_and_loses_none(world, settings, engine):
    class Stuck(Recorder):
        async def publish(self, messages: Iterable[tuple[str, str]]) -> None:
            await super().publish(messages)
            await asyncio.Event().wait()

    async with living(settings, engine) as live, aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(20)
        stuck = Stuck(settings)
        crashing = asyncio.create_task(OutboxRelay(settings, stuck).run(asyncio.Event()))
        assert kinds_and_sequences(await take(updates, 20)) == entries(1, 20)
        crashing.cancel()
        await asyncio.wait([crashing])
        await stuck.close()
        async with recording_relay(settings) as (_, recorder):
            await outbox_empty(engine)
            assert recorder.published.count(str(world.bob_wallet)) == 20
            await world.pay()
            assert kinds_and_sequences(await take(updates, 1)) == entries(21, 21)


async def test_a_subscription_misses_and_repeats_nothing_when_relays_are_killed(world, settings, engine):
    async with living(settings, engine) as live, connected(settings) as connection:
        received: list[WalletUpdate] = []

        async def watch() -> None:
            async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
                async for update in updates:
                    received.append(update)
                    if update.entry and update.entry.sequence == 1000:
                        return

        watching = asyncio.create_task(watch())
        await soon(lambda: received)
        traffic = asyncio.create_task(pay_slowly(world, 1000))
        for _ in range(4):
            with relay_process(settings) as process:
                await new_leader(connection, None, START_SECONDS)
                await asyncio.sleep(0.3)
                process.kill()
                process.wait()
        async with running_relay(settings):
            await traffic
            await asyncio.wait_for(watching, 30)
            assert kinds_and_sequences(received) == [("SNAPSHOT", 0), *entries(1, 1000)]
            await outbox_empty(engine)


async def pay_slowly(world: World, times: int) -> None:
    for _ in range(times // 5):
        await world.pay(5)
        await asyncio.sleep(0.01)


async def test_a_standby_takes_over_within_seconds_after_a_kill(settings, writer, engine):
    with relay_process(settings) as leader:
        first = await new_leader(writer, None, START_SECONDS)
        async with asyncio.TaskGroup() as group:
            stop = asyncio.Event()
            group.create_task(run_relay(settings, stop))
            await asyncio.sleep(1.5)
            assert await leader_pid(writer) == first, "a standby waits"
            leader.kill()
            await new_leader(writer, first, 5)
            await commit_event(writer)
            await outbox_empty(engine)
            stop.set()


async def test_another_relay_leads_once_the_leaders_connection_is_closed(settings, servers, writer, engine):
    async with recording_relay(settings) as (relay, recorder):
        first = await leader_pid(writer)
        async with superuser(settings) as admin:
            await admin.execute("SELECT pg_terminate_backend($1)", first)
        assert await new_leader(writer, first) != first
        await soon(lambda: relay.leading)
        wallet_id = await commit_event(writer)
        await soon(lambda: wallet_id in recorder.published)


async def test_two_relays_never_lead_at_once(settings, writer):
    first, second = Recorder(settings), Recorder(settings)
    stop = asyncio.Event()
    relays = [OutboxRelay(settings, recorder) for recorder in (first, second)]
    tasks = [asyncio.create_task(relay.run(stop)) for relay in relays]
    for _ in range(100):
        await commit_event(writer)
        assert not all(relay.leading for relay in relays)
    await soon(lambda: len(first.published) + len(second.published) == 100)
    assert sorted([len(first.published), len(second.published)]) == [0, 100]
    stop.set()
    await asyncio.gather(*tasks)
    await first.close()
    await second.close()


async def test_events_are_kept_while_redis_is_down_and_the_outage_is_logged_once(world, settings, engine, clean_servers, caplog):
    caplog.set_level(logging.INFO)
    async with running_relay(settings):
        await outbox_empty(engine)
        clean_servers.stop_redis()
        await world.pay(20)
        await asyncio.sleep(1.5)
        async with connected(settings) as connection:
            assert await outbox_rows(connection) == 20
        clean_servers.start_redis()
        await outbox_empty(engine)
    said = [
        record.message for record in caplog.records if record.name == "app.processes.outbox_relay" and "Redis" in record.message
    ]
    assert len(said) == 2
    assert "waits for Redis" in said[0]
    assert "is connected to Redis again" in said[1]


async def test_the_relay_survives_a_crash_of_the_database_and_logs_it_once(settings, clean_servers, caplog):
    caplog.set_level(logging.INFO)
    async with recording_relay(settings) as (relay, recorder):
        async with superuser(settings) as admin:
            await admin.execute("CHECKPOINT")
        clean_servers.kill_postgres()
        await soon(lambda: not relay.leading)
        await asyncio.sleep(1)
        clean_servers.start_postgres()
        await soon(lambda: relay.leading, 20)
        async with connected(settings) as connection:
            wallet_id = await commit_event(connection)
        await soon(lambda: wallet_id in recorder.published)
    said = [
        record.message
        for record in caplog.records
        if "the database" in record.message and record.name == "app.processes.outbox_relay"
    ]
    assert len(said) == 2
    assert "waits for the database" in said[0]
    assert "is connected to the database again" in said[1]


async def test_stopping_finishes_the_current_batch(settings, writer):
    class Slow(Recorder):
        async def publish(self, messages: Iterable[tuple[str, str]]) -> None:
            started.set()
            await asyncio.sleep(0.3)
            await super().publish(messages)

    started, stop = asyncio.Event(), asyncio.Event()
    recorder = Slow(settings)
    wallet_id = await commit_event(writer)
    task = asyncio.create_task(OutboxRelay(settings, recorder).run(stop))
    await started.wait()
    stop.set()
    await asyncio.wait_for(task, 5)
    assert recorder.published == [wallet_id]
    assert await outbox_rows(writer) == 0
    assert await leader_pid(writer) is None
    await recorder.close()


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def superuser(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        yield connection
    finally:
        await connection.close()
