"""5,000 transfers and 50 subscribers under faults: each gets each entry of its wallet once and in order.

The comparison of subscriptions with the database is off. Each round ends without traffic, so that a lost last event
shows: no later entry reveals the gap.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.engine import connect
from app.db.pool import Database
from app.messages.publisher import redis_url
from app.settings import Settings
from tests.forks import Command
from tests.live_load import RETRYABLE, Crowd, Watcher, crowd_of, watching
from tests.live_world import outbox_empty
from tests.processes.test_outbox_relay import new_leader
from tests.redis_proxy import RedisProxy, redis_proxy
from tests.servers import Servers
from tests.waiting import soon

TRANSFERS, MEMBERS, WATCHERS_EACH = 5000, 25, 2

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]


@pytest.fixture
async def crowd(engine: Database, settings: Settings, free_port: int) -> AsyncIterator[Crowd]:
    async with crowd_of(MEMBERS, engine, settings, free_port) as crowd:
        yield crowd


@pytest.fixture
def watchers(crowd: Crowd) -> list[Watcher]:
    return [Watcher(crowd.url, member) for member in crowd.members for _ in range(WATCHERS_EACH)]


@pytest.fixture
async def database_session(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(settings)
    yield connection
    await connection.close()


async def test_subscribers_miss_nothing_when_redis_restarts_20_times(
    crowd: Crowd, watchers: list[Watcher], clean_servers: Servers
) -> None:
    restarts = 20
    await crowd.serve()
    crowd.processes.relay()
    await outbox_empty(crowd.engine)
    async with watching(watchers):
        for number in range(restarts):
            paying = asyncio.create_task(crowd.pay_each_other(TRANSFERS // restarts))
            await soon(lambda seen=crowd.paid: crowd.paid > seen, 30)  # type: ignore[misc]
            await asyncio.sleep(random.uniform(0, 0.1))
            clean_servers.stop_redis()
            await asyncio.sleep(random.uniform(0, 0.2))
            clean_servers.start_redis()
            await paying
            # Otherwise the next restart comes while they catch up.
            if number % 2:
                await crowd.until_all_received(watchers)
        await outbox_empty(crowd.engine)
        await crowd.until_all_received(watchers)
    assert crowd.paid == TRANSFERS
    assert {watcher.sockets for watcher in watchers} == {1}, "clients notice nothing of it"


async def test_subscribers_miss_nothing_when_relays_are_killed(
    crowd: Crowd, watchers: list[Watcher], database_session: asyncpg.Connection
) -> None:
    """The leader dies at a random moment, while its messages go to Redis, or while the reply of Redis comes back."""
    moments = (None, b"EVAL", b"$-1") * 2
    await crowd.serve()
    async with redis_proxy(redis_url(crowd.settings)) as proxy:
        leader, session = crowd.processes.relay(PAYCORE_REDIS_URL=proxy.url), None
        async with watching(watchers):
            for moment in moments:
                session = await new_leader(database_session, session, 15)
                standby = crowd.processes.relay(PAYCORE_REDIS_URL=proxy.url)
                await soon_two_relays(database_session)
                await kill_while_they_pay(crowd, leader, proxy, moment)
                leader = standby
                await crowd.until_all_received(watchers)
            await crowd.pay_each_other(TRANSFERS - crowd.paid)
            await outbox_empty(crowd.engine)
            await crowd.until_all_received(watchers)
    assert crowd.paid == TRANSFERS
    assert {watcher.sockets for watcher in watchers} == {1}, "clients notice nothing of it"


async def kill_while_they_pay(crowd: Crowd, leader: Command, proxy: RedisProxy, moment: bytes | None) -> None:
    if moment is None:
        paying = asyncio.create_task(crowd.pay_each_other(400))
        await asyncio.sleep(random.uniform(0, 0.3))
        await crowd.processes.end(leader)
        await paying
    else:
        # It finds all events waiting and is stopped in the single batch that it makes of them.
        leader.send_signal(signal.SIGSTOP)
        await crowd.pay_each_other(400)
        proxy.go_silent(moment)
        leader.send_signal(signal.SIGCONT)
        await soon(lambda: proxy.holding)
        await crowd.processes.end(leader)
        proxy.cut()
        proxy.flow()


async def soon_two_relays(database: asyncpg.Connection) -> None:
    connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'paycore-relay' AND datname = current_database()"
    async with asyncio.timeout(15):
        while await database.fetchval(connected) < 2:  # noqa: ASYNC110 - sessions come and go in PostgreSQL
            await asyncio.sleep(0.02)


async def test_subscribers_miss_nothing_when_the_api_is_killed_and_stopped(crowd: Crowd, watchers: list[Watcher]) -> None:
    ends = (signal.SIGKILL, signal.SIGTERM) * 2
    api = await crowd.serve()
    crowd.processes.relay()
    await outbox_empty(crowd.engine)
    async with watching(watchers):
        for number in ends:
            paying = asyncio.create_task(crowd.pay_each_other(TRANSFERS // len(ends)))
            await soon(lambda seen=crowd.paid: crowd.paid > seen, 30)  # type: ignore[misc]
            await asyncio.sleep(random.uniform(0, 0.3))
            await crowd.processes.end(api, number)
            api = await crowd.serve()
            await paying
        await outbox_empty(crowd.engine)
        await crowd.until_all_received(watchers)
    assert crowd.paid == TRANSFERS
    assert all(watcher.sockets > len(ends) for watcher in watchers), "each came back each time"
    assert {code for watcher in watchers for code in watcher.codes} <= RETRYABLE
