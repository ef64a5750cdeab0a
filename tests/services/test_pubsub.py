"""Redis pub/sub that reports when messages may be lost, with a real Redis that restarts, hangs and sends too fast."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis import asyncio as redis

from app.errors import ConfigurationError
from app.messages.publisher import RedisPublisher, redis_url
from app.messages.pubsub import PubSub, Unsubscribed
from app.messages.redis_backend import CATCH_UP
from app.settings import Settings
from tests.redis_proxy import redis_proxy
from tests.servers import Servers
from tests.waiting import soon


@pytest.fixture
async def pubsub(servers: Servers) -> AsyncIterator[PubSub]:
    pubsub = PubSub(servers.redis_url, "test:check", buffer=100)
    await pubsub.connect()
    yield pubsub
    await pubsub.disconnect()


@pytest.fixture
async def publisher(servers: Servers) -> AsyncIterator[RedisPublisher]:
    publisher = RedisPublisher(servers.redis_url)
    yield publisher
    await publisher.close()


def new_channel() -> str:
    return f"test:{uuid4()}"


async def channels_at_redis(url: str, channel: str) -> int:
    async with redis.Redis.from_url(url) as client:
        ((_, count),) = await client.pubsub_numsub(channel)
        return count


async def test_a_message_published_right_after_subscribing_arrives(pubsub, publisher):
    for number in range(200):
        channel = new_channel()
        async with pubsub.subscribe(channel) as subscription:
            await publisher.publish([(channel, str(number))])
            assert await asyncio.wait_for(subscription.get(), 5) == str(number)


async def test_subscribe_returns_only_after_redis_has_confirmed_the_subscription(servers, publisher):
    async with redis_proxy(servers.redis_url) as proxy:
        pubsub = PubSub(proxy.url, "test:check", buffer=10)
        await pubsub.connect()
        channel = new_channel()
        inside: list[int] = []

        async def receive(number: int) -> object:
            async with pubsub.subscribe(channel) as subscription:
                inside.append(number)
                return await subscription.get()

        proxy.go_silent(about=b"SUBSCRIBE")
        receivers = [asyncio.create_task(receive(number)) for number in range(5)]
        await soon(lambda: proxy.holding)
        assert inside == []
        proxy.flow()
        await soon(lambda: len(inside) == 5)
        await publisher.publish([(channel, "event")])
        assert await asyncio.gather(*receivers) == ["event"] * 5
        await pubsub.disconnect()


async def test_after_a_reconnection_catch_up_comes_only_after_redis_has_confirmed_the_channel(servers, publisher):
    async with redis_proxy(servers.redis_url) as proxy:
        pubsub = PubSub(proxy.url, "test:check", buffer=10)
        await pubsub.connect()
        channel = new_channel()
        async with pubsub.subscribe(channel) as subscription:
            proxy.go_silent(about=b"SUBSCRIBE")
            proxy.cut()
            await soon(lambda: proxy.holding)
            assert not pubsub.healthy, "the subscription is not confirmed yet, so messages may be lost"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(subscription.get(), 0.3)
            # This message is lost. A subscriber that catches up later reads the event from the database.
            await publisher.publish([(channel, "lost")])
            proxy.flow()
            assert await asyncio.wait_for(subscription.get(), 5) is CATCH_UP
        await pubsub.disconnect()


async def test_messages_published_in_one_round_trip_arrive_in_order(pubsub, publisher):
    channel = new_channel()
    async with pubsub.subscribe(channel) as subscription:
        await publisher.publish([(channel, str(number)) for number in range(100)])
        assert [await subscription.get() for _ in range(100)] == [str(number) for number in range(100)]


async def test_all_of_many_simultaneous_first_subscribers_of_a_channel_receive(pubsub, publisher):
    channel = new_channel()

    async def receive() -> object:
        async with pubsub.subscribe(channel) as subscription:
            ready.append(None)
            return await subscription.get()

    ready: list[None] = []
    receivers = [asyncio.create_task(receive()) for _ in range(50)]
    await soon(lambda: len(ready) == 50)
    await publisher.publish([(channel, "event")])
    assert await asyncio.gather(*receivers) == ["event"] * 50


async def test_a_subscriber_that_leaves_does_not_end_the_subscriptions_of_others(pubsub, publisher):
    channel = new_channel()
    async with pubsub.subscribe(channel) as stays:
        for _ in range(20):
            async with pubsub.subscribe(channel):
                pass
        await publisher.publish([(channel, "event")])
        assert await asyncio.wait_for(stays.get(), 5) == "event"


async def test_a_subscriber_that_joins_while_the_last_one_leaves_receives(pubsub, publisher):
    channel = new_channel()
    for number in range(50):
        entered = asyncio.Event()

        async def come_and_go(entered: asyncio.Event = entered) -> None:
            async with pubsub.subscribe(channel):
                entered.set()

        task = asyncio.create_task(come_and_go())
        await entered.wait()
        async with pubsub.subscribe(channel) as subscription:
            await publisher.publish([(channel, str(number))])
            assert await asyncio.wait_for(subscription.get(), 5) == str(number)
        await task


async def test_after_a_restart_of_redis_every_subscriber_catches_up_and_receives_again(pubsub, publisher, clean_servers):
    channels = [new_channel() for _ in range(20)]
    async with asyncio.TaskGroup() as group:

        async def stay(channel: str) -> None:
            async with pubsub.subscribe(channel) as subscription:
                inside.append(channel)
                assert await subscription.get() is CATCH_UP
                caught_up.append(channel)
                assert await subscription.get() == "after"

        inside: list[str] = []
        caught_up: list[str] = []
        for channel in channels:
            group.create_task(stay(channel))
        await soon(lambda: len(inside) == len(channels))
        assert pubsub.healthy
        clean_servers.stop_redis()
        await soon(lambda: not pubsub.healthy)
        clean_servers.start_redis()
        await soon(lambda: len(caught_up) == len(channels))
        assert pubsub.healthy
        # CATCH_UP comes only after Redis has confirmed the channel, so messages published from now on arrive.
        await publisher.publish([(channel, "after") for channel in channels])


async def test_subscribe_returns_at_once_while_redis_is_down_and_the_subscriber_catches_up_later(pubsub, clean_servers):
    clean_servers.stop_redis()
    await soon(lambda: not pubsub.healthy)
    async with asyncio.timeout(1):
        context = pubsub.subscribe(new_channel())
        subscription = await context.__aenter__()
    clean_servers.start_redis()
    assert await asyncio.wait_for(subscription.get(), 15) is CATCH_UP
    await context.__aexit__(None, None, None)


async def test_the_service_starts_while_redis_is_down(clean_servers, publisher):
    clean_servers.stop_redis()
    pubsub = PubSub(clean_servers.redis_url, "test:check", buffer=10)
    await pubsub.connect()
    assert not pubsub.healthy
    clean_servers.start_redis()
    await soon(lambda: pubsub.healthy)
    channel = new_channel()
    async with pubsub.subscribe(channel) as subscription:
        await publisher.publish([(channel, "event")])
        assert await asyncio.wait_for(subscription.get(), 5) == "event"
    await pubsub.disconnect()


async def test_a_connection_that_hangs_is_detected_and_replaced(servers, publisher):
    async with redis_proxy(servers.redis_url) as proxy:
        pubsub = PubSub(proxy.url, "test:check", buffer=10, ping_seconds=0.2)
        await pubsub.connect()
        channel = new_channel()
        async with pubsub.subscribe(channel) as subscription:
            await asyncio.sleep(1)
            assert pubsub.healthy, "no messages are no failure: Redis answers pings"
            proxy.go_silent()
            await publisher.publish([(channel, "lost")])
            await soon(lambda: not pubsub.healthy, 2)
            proxy.flow()
            received = [await asyncio.wait_for(subscription.get(), 15)]
            assert received == [CATCH_UP]
            await publisher.publish([(channel, "event")])
            assert await asyncio.wait_for(subscription.get(), 5) == "event"
        await pubsub.disconnect()


async def test_the_oldest_messages_of_a_slow_subscriber_are_dropped_and_counted(servers, publisher):
    pubsub = PubSub(servers.redis_url, "test:check", buffer=5)
    await pubsub.connect()
    channel = new_channel()
    async with pubsub.subscribe(channel) as slow, pubsub.subscribe(channel) as quick:
        for number in range(100):
            await publisher.publish([(channel, str(number))])
            assert await asyncio.wait_for(quick.get(), 5) == str(number)
        assert slow._buffer.qsize() <= 6
        received = [await slow.get()]
        while received[-1] != "99":
            received.append(await slow.get())
        assert received[0] is CATCH_UP
        assert CATCH_UP not in received[1:]
        assert received[1:] == [str(number) for number in range(101 - len(received), 100)]
        assert slow.take_dropped() == 100 - len(received[1:])
        assert slow.take_dropped() == 0
        assert quick.take_dropped() == 0
    await pubsub.disconnect()


async def test_repeated_requests_to_catch_up_become_one(pubsub):
    async with pubsub.subscribe(new_channel()) as subscription:
        for _ in range(10):
            subscription.catch_up()
        assert await subscription.get() is CATCH_UP
        assert subscription._buffer.empty()
        subscription.catch_up()
        assert await subscription.get() is CATCH_UP


async def test_disconnect_ends_every_subscription(servers):
    pubsub = PubSub(servers.redis_url, "test:check", buffer=5)
    await pubsub.connect()

    subscribed: list[object] = []

    async def receive() -> None:
        async with pubsub.subscribe(new_channel()) as subscription:
            subscribed.append(subscription)
            await subscription.get()

    receivers = [asyncio.create_task(receive()) for _ in range(10)]
    await soon(lambda: len(subscribed) == 10)
    await pubsub.disconnect()
    results = await asyncio.wait_for(asyncio.gather(*receivers, return_exceptions=True), 5)
    assert [type(result) for result in results] == [Unsubscribed] * 10
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_subscribers_cancelled_at_any_moment_leave_no_subscription(pubsub, publisher, servers):
    channels = [new_channel() for _ in range(10)]

    async def receive(channel: str) -> None:
        async with pubsub.subscribe(channel) as subscription:
            while True:
                await subscription.get()

    for round_ in range(20):
        receivers = [asyncio.create_task(receive(channel)) for channel in channels * 3]
        for _ in range(round_):
            await asyncio.sleep(0)
        for receiver in receivers:
            receiver.cancel()
        await asyncio.gather(*receivers, return_exceptions=True)
    assert pubsub.healthy
    assert pubsub._subscribers == {}
    async with pubsub.subscribe(channels[0]) as subscription:
        # Redis answers in order, so this answer comes after those to all earlier commands.
        await publisher.publish([(channels[0], "event")])
        while await asyncio.wait_for(subscription.get(), 5) is CATCH_UP:
            pass
    for channel in channels[1:]:
        assert await channels_at_redis(servers.redis_url, channel) == 0


def test_without_a_redis_url_the_error_names_the_setting():
    with pytest.raises(ConfigurationError, match="PAYCORE_REDIS_URL is not set"):
        redis_url(Settings(environment="test"))
