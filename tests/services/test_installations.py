"""Installations that share one Redis are separated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from redis import asyncio as redis
from sqlalchemy import select

from app.clock import system_clock
from app.db import models
from app.db.engine import create_engine
from app.db.installation_sql import load_redis_names
from app.db.pool import Database
from app.errors import ConfigurationError
from app.limits.rates import RateLimit
from app.limits.sharing import RateLimitSharing
from app.main import create_app
from app.messages.events import outgoing, settled_payload
from app.messages.publisher import RedisPublisher, redis_url
from app.messages.redis_names import RedisNames
from app.records import Entry
from app.services.live import Settled
from app.settings import Settings, load_settings
from tests import servers as backends
from tests.live_world import World, living, living_world, outbox_empty, running_relay, take
from tests.servers import Servers

KINDS = (b":wallet:", b":user:", b":settled", b":rate:user:")


@pytest.fixture
def other_settings(servers: Servers, template_database: str, tmp_path: Path) -> Iterator[Settings]:
    """The settings of another installation on the same Redis."""
    name = f"paycore_test_{uuid4().hex[:12]}"
    servers.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    url = backends.with_database(servers.database_url, name)
    asyncio.run(_new_id(url))
    yield load_settings(environment="test", database_url=url, redis_url=servers.redis_url, home=tmp_path)
    servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _new_id(url: str) -> None:
    """Give the database a new installation id. A copy has the id of its template, as the runbook explains."""
    owner = await asyncpg.connect(url)
    await owner.execute("UPDATE installation SET id = gen_random_uuid()")
    await owner.close()


@pytest.fixture
async def other_engine(other_settings: Settings) -> AsyncIterator[Database]:
    engine = create_engine(other_settings)
    yield engine
    await engine.dispose()


async def listening(names: RedisNames, settings: Settings, stream: AsyncGenerator[Settled, None]) -> asyncio.Future[Settled]:
    """Returns a future for the stream's next item, once Redis has confirmed the subscription of an administrator."""
    following = asyncio.ensure_future(anext(stream))
    async with redis.Redis.from_url(redis_url(settings)) as client, asyncio.timeout(20):
        while (await client.pubsub_numsub(names.settled_channel))[0][1] == 0:  # noqa: ASYNC110 - polls Redis
            await asyncio.sleep(0.02)
    return following


async def test_a_relay_publishes_only_to_its_own_installation(
    world: World, settings: Settings, engine: Database, other_settings: Settings, other_engine: Database
) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(living_world(other_engine, other_settings))
        live = await stack.enter_async_context(living(settings, engine))
        async with aclosing(live.watch_settled(world.admin)) as settled, running_relay(other_settings):
            first = await listening(world.names, settings, settled)
            await other.pay(3)
            await outbox_empty(other_engine)
            await world.pay(1)
            async with running_relay(settings), engine.connect() as connection:
                transaction_id = (await asyncio.wait_for(first, 20)).transaction_id
                ours = select(models.Transaction.id).where(models.Transaction.id == transaction_id)
                assert await connection.scalar(ours) == transaction_id


async def test_a_watch_ignores_events_of_a_wallet_with_the_same_id_in_another_installation(
    world: World, settings: Settings, engine: Database, other_engine: Database, publisher: RedisPublisher
) -> None:
    others, ours = uuid4(), uuid4()
    async with living(settings, engine) as live, aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        for names, transaction_id in ((await load_redis_names(other_engine), others), (world.names, ours)):
            entry = Entry(transaction_id, 1, world.bob_wallet, 1, 5, 5, system_clock())
            await publisher.publish(outgoing(names, settled_payload(transaction_id, [], [entry]), system_clock()).messages)
        (update,) = await take(updates, 1)
        assert update.entry is not None
        assert update.entry.transaction_id == ours


async def test_a_caller_has_a_separate_rate_limit_in_each_installation(
    settings: Settings, engine: Database, other_engine: Database
) -> None:
    limits = [RateLimit(800, 3600, name=f"test-{settings.database_url}") for _ in range(2)]
    shares = [
        RateLimitSharing(redis_url(settings), await load_redis_names(one), [limit])
        for one, limit in zip((engine, other_engine), limits, strict=True)
    ]
    try:
        for limit, sharing in zip(limits, shares, strict=True):
            limit.check("203.0.113.7", 300)
            await sharing._share(limit)
        assert [limit.check("203.0.113.7", 0).remaining for limit in limits] == [500, 500]
    finally:
        for sharing in shares:
            await sharing.stop()


async def test_every_channel_and_key_starts_with_the_prefix_of_the_installation(
    other_settings: Settings, other_engine: Database
) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        client = await enter(redis.Redis.from_url(redis_url(other_settings)))
        before: set[Any] = {*await client.keys(), *await client.pubsub_channels()}
        world = await enter(living_world(other_engine, other_settings))
        app = create_app(other_settings.model_copy(update={"requests_per_user_per_second": 8}))
        await enter(app.router.lifespan_context(app))
        services = app.state.services
        updates = await enter(aclosing(services.live.watch_wallet(world.bob, world.bob_wallet)))
        settled = await enter(aclosing(services.live.watch_settled(world.bob)))
        await take(updates, 1)
        following = asyncio.ensure_future(anext(settled))
        try:
            names: set[Any] = set()
            async with asyncio.timeout(20):
                while not all(any(kind in name for name in names) for kind in KINDS):
                    services.rates.check_user(world.bob.user_id)
                    await asyncio.sleep(0.3)
                    names = {*await client.keys(), *await client.pubsub_channels()} - before
            assert all(name.startswith(f"{world.names.prefix}:".encode()) for name in names), names
        finally:
            following.cancel()
            await asyncio.wait([following])


async def test_a_database_without_an_installation_id_is_refused(settings: Settings, engine: Database) -> None:
    assert settings.database_url is not None
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    await owner.execute("DELETE FROM installation")
    await owner.close()
    with pytest.raises(ConfigurationError, match="installation id"):
        await load_redis_names(engine)
