"""A Redis user with few rights: the documented rights are enough, and a missing one is named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis import asyncio as redis

from app.db.pool import Database
from app.limits.sharing import RateLimitSharing
from app.messages.publisher import RedisPublisher, redis_url
from app.messages.pubsub import PubSub
from app.messages.redis_names import RedisNames
from app.processes.outbox_relay import OutboxRelay
from app.settings import RELAY_RIGHTS, SHARING_RIGHTS, SUBSCRIBER_RIGHTS, Settings
from tests.api.conftest import serving
from tests.live_world import entries, kinds_and_sequences, living_world, running_relay, take
from tests.servers import Servers
from tests.waiting import soon

NAMES = RedisNames(uuid4())


class RedisUser:
    """A Redis user. `url` is the URL of Redis with the user's name and password."""

    def __init__(self, admin: redis.Redis, url: str) -> None:
        self._admin = admin
        self.name = f"test_{uuid4().hex[:12]}"
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.url = parts._replace(netloc=f"{self.name}:secret@{host}").geturl()

    async def may(self, rights: str) -> None:
        """Set the user's rights to exactly these. They also apply to existing connections."""
        setting = ["reset", "on", ">secret", *rights.split()]
        await self._admin.execute_command("ACL SETUSER", self.name, *setting)


@pytest.fixture
async def new_user(servers: Servers) -> AsyncIterator[Callable[[], RedisUser]]:
    users: list[RedisUser] = []
    async with redis.Redis.from_url(servers.redis_url) as admin:

        def make() -> RedisUser:
            users.append(RedisUser(admin, servers.redis_url))
            return users[-1]

        yield make
        for user in users:
            await admin.execute_command("ACL DELUSER", user.name)


def without(rights: str, right: str) -> str:
    return " ".join(one for one in rights.split() if one != right)


@asynccontextmanager
async def subscribed(url: str) -> AsyncIterator[PubSub]:
    pubsub = PubSub(url, NAMES.check_channel, buffer=10, ping_seconds=0.2)
    await pubsub.connect()
    try:
        yield pubsub
    finally:
        await pubsub.disconnect()


@asynccontextmanager
async def sharing_rates(url: str) -> AsyncIterator[RateLimitSharing]:
    sharing = RateLimitSharing(url, NAMES, [])
    await sharing.start()
    try:
        yield sharing
    finally:
        await sharing.stop()


@asynccontextmanager
async def relaying(settings: Settings, url: str) -> AsyncIterator[OutboxRelay]:
    publisher, stop = RedisPublisher(url), asyncio.Event()
    relay = OutboxRelay(settings, publisher)
    task = asyncio.create_task(relay.run(stop))
    try:
        await soon(lambda: relay.leading, 20)
        yield relay
    finally:
        stop.set()
        await task
        await publisher.close()


async def test_the_documented_rights_are_enough_for_api_and_relay(
    settings: Settings, engine: Database, new_user: Callable[[], RedisUser]
) -> None:
    api_user, relay_user = new_user(), new_user()
    await api_user.may(f"{SUBSCRIBER_RIGHTS} {SHARING_RIGHTS}")
    await relay_user.may(RELAY_RIGHTS)
    of_relay = settings.model_copy(update={"redis_url": SecretStr(relay_user.url)})
    of_api = settings.model_copy(update={"redis_url": SecretStr(api_user.url), "live_check_seconds": 3600})
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        world = await enter(living_world(engine, settings))
        await enter(running_relay(of_relay))
        api = await enter(serving(of_api, engine, relay=False))
        await soon(lambda: api.services.sharing.state == "ok")
        updates = await enter(aclosing(api.services.live.watch_wallet(world.bob, world.bob_wallet)))
        await take(updates, 1)
        await world.pay(2)
        assert kinds_and_sequences(await take(updates, 2)) == entries(1, 2)
        ready = (await api.http.get("/readyz")).json()
        assert (ready["redis"], ready["live_updates"], ready["rate_limits"], ready["degraded"]) == ("ok", "ok", "ok", [])


@pytest.mark.parametrize("right", SUBSCRIBER_RIGHTS.split())
async def test_a_missing_right_to_subscribe_is_named_and_logged_once(
    new_user: Callable[[], RedisUser], caplog: pytest.LogCaptureFixture, right: str
) -> None:
    user = new_user()
    await user.may(without(SUBSCRIBER_RIGHTS, right))
    with caplog.at_level(logging.INFO, "app.messages.redis_backend"):
        async with subscribed(user.url) as pubsub:
            assert pubsub.state.startswith(f"refused: needs {SUBSCRIBER_RIGHTS}; Redis says: ")
            assert ("channel" if right.startswith("&") else f"'{right[1:]}'") in pubsub.state
            tries, started = pubsub._redis.tries, monotonic()
            await soon(lambda: pubsub._redis.tries >= tries + 5, 30)
            assert monotonic() - started > 0.7, "the pauses between tries grow"
            assert len(caplog.records) == 1
            assert right in caplog.text
            await user.may(SUBSCRIBER_RIGHTS)
            await soon(lambda: pubsub.state == "ok", 20)
            assert len(caplog.records) == 2


@pytest.mark.parametrize("right", SHARING_RIGHTS.split())
async def test_a_missing_right_to_share_rate_limits_is_named_before_there_is_anything_to_share(
    new_user: Callable[[], RedisUser], servers: Servers, caplog: pytest.LogCaptureFixture, right: str
) -> None:
    user = new_user()
    await user.may(without(SHARING_RIGHTS, right))
    async with redis.Redis.from_url(servers.redis_url) as admin:
        await admin.script_flush()
    async with sharing_rates(user.url) as sharing:
        await soon(lambda: sharing.state.startswith("refused: needs "), 20)
        assert SHARING_RIGHTS in sharing.state
        assert right in caplog.text
        await user.may(SHARING_RIGHTS)
        await soon(lambda: sharing.state == "ok", 20)
    assert len([record for record in caplog.records if record.name == "app.limits.sharing"]) == 1


@pytest.mark.parametrize("right", RELAY_RIGHTS.split())
async def test_a_relay_that_lacks_a_right_names_it_before_there_is_anything_to_publish_and_is_not_ready(
    settings: Settings, new_user: Callable[[], RedisUser], caplog: pytest.LogCaptureFixture, right: str
) -> None:
    user = new_user()
    await user.may(without(RELAY_RIGHTS, right))
    async with relaying(settings, user.url) as relay:
        await soon(lambda: relay.state().redis.startswith(f"refused: needs {RELAY_RIGHTS}"), 20)
        assert not relay.state().ready
        assert right in caplog.text
        await user.may(RELAY_RIGHTS)
        await soon(lambda: relay.state().ready, 20)
        assert relay.state().redis == "ok"
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


async def test_a_refused_password_is_reported_as_such(settings: Settings, new_user: Callable[[], RedisUser]) -> None:
    user = new_user()
    await user.may(SUBSCRIBER_RIGHTS)
    wrong = user.url.replace(":secret@", ":wrong@")
    async with subscribed(wrong) as pubsub, sharing_rates(wrong) as sharing, relaying(settings, wrong) as relay:
        await soon(lambda: sharing.state != "not shared yet" and relay.state().redis != "ok", 20)
        for state in (pubsub.state, sharing.state, relay.state().redis):
            assert state == "refused: the user or the password in PAYCORE_REDIS_URL is not accepted"
        assert redis_url(settings) not in pubsub.state
