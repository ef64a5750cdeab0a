"""A watch of a wallet returns every entry once and in sequence, with the real ledger, relay and Redis."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from uuid import UUID, uuid4

import pytest
from redis import asyncio as redis
from sqlalchemy import text

from app.clock import system_clock
from app.errors import BadUserInput, NotFound
from app.messages import events
from app.paging.update_cursor import decode_update_cursor, encode_update_cursor
from app.records import WalletStatus
from app.services.wallet_watch import UpdateKind, WalletUpdate
from tests.live_world import (
    World,
    entries,
    kinds_and_sequences,
    living,
    nothing_comes,
    running_relay,
    take,
)


async def outbox_messages(world: World, wallet_id: UUID) -> list[tuple[str, str]]:
    """Returns the messages that a relay would publish to the wallet's channel."""
    async with world.engine.connect() as connection:
        payloads = (await connection.execute(text("SELECT payload::text FROM outbox ORDER BY id"))).scalars().all()
    channel = world.names.wallet_channel(wallet_id)
    return [
        message
        for payload in payloads
        for message in events.outgoing(world.names, payload, system_clock()).messages
        if message[0] == channel
    ]


async def test_without_a_cursor_a_snapshot_comes_first_and_then_each_entry(world, live, settings):
    async with running_relay(settings), aclosing(live.watch_wallet(world.alice, world.alice_wallet)) as updates:
        (snapshot,) = await take(updates, 1)
        assert (snapshot.kind, snapshot.wallet.balance, snapshot.entry) == (UpdateKind.SNAPSHOT, 1_000_000, None)
        await world.pay(3)
        received = await take(updates, 3)
        assert kinds_and_sequences(received) == entries(2, 4)
        assert [update.wallet.balance for update in received] == [999_999, 999_998, 999_997]
        assert [update.entry and update.entry.balance_after for update in received] == [999_999, 999_998, 999_997]
        assert await nothing_comes(updates)


async def test_with_a_cursor_the_missed_entries_come_first_then_a_snapshot_and_then_each_new_entry(world, live, settings):
    await world.pay(5)
    async with running_relay(settings):
        cursor = encode_update_cursor(world.bob_wallet, 2)
        async with aclosing(live.watch_wallet(world.bob, world.bob_wallet, cursor)) as updates:
            assert kinds_and_sequences(await take(updates, 4)) == [*entries(3, 5), ("SNAPSHOT", 5)]
            await world.pay()
            assert kinds_and_sequences(await take(updates, 1)) == entries(6, 6)


async def test_the_cursor_of_every_update_resumes_after_that_update(world, live, settings):
    await world.pay(3)
    async with running_relay(settings), aclosing(live.watch_wallet(world.alice, world.alice_wallet)) as updates:
        received = await take(updates, 1)
        await world.set_status(world.alice_wallet, WalletStatus.FROZEN)
        received += await take(updates, 1)
        await world.set_status(world.alice_wallet, WalletStatus.ACTIVE)
        received += await take(updates, 1)
        await world.pay(2)
        received += await take(updates, 2)
        assert [decode_update_cursor(update.cursor, world.alice_wallet) for update in received] == [4, 4, 4, 5, 6]
    for update in received:
        async with aclosing(live.watch_wallet(world.alice, world.alice_wallet, update.cursor)) as resumed:
            seen = decode_update_cursor(update.cursor, world.alice_wallet)
            assert kinds_and_sequences(await take(resumed, 6 - seen + 1)) == [*entries(seen + 1, 6), ("SNAPSHOT", 6)]


async def test_many_missed_entries_are_read_in_pages(world, live, monkeypatch):
    monkeypatch.setattr("app.services.wallet_watch._PAGE", 7)
    await world.pay(50)
    cursor = encode_update_cursor(world.bob_wallet, 0)
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet, cursor)) as updates:
        assert kinds_and_sequences(await take(updates, 51)) == [*entries(1, 50), ("SNAPSHOT", 50)]


async def test_a_payment_between_subscribing_and_reading_is_in_the_snapshot(world, live, settings, monkeypatch):
    subscribe = live._pubsub.subscribe

    @asynccontextmanager
    async def subscribe_while_paying(channel):
        await world.pay()
        async with subscribe(channel) as subscription:
            await world.pay()
            yield subscription

    monkeypatch.setattr(live._pubsub, "subscribe", subscribe_while_paying)
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        assert kinds_and_sequences(await take(updates, 1)) == [("SNAPSHOT", 2)]


async def test_watches_that_start_during_traffic_miss_no_entry(world, settings, engine):
    async with living(settings, engine) as live, running_relay(settings):

        async def watch(delay: float) -> list[tuple[str, int]]:
            await asyncio.sleep(delay)
            received: list[WalletUpdate] = []
            async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
                while not received or received[-1].wallet.sequence < 300:
                    received += await take(updates, 1)
            return kinds_and_sequences(received)

        async def traffic() -> None:
            for _ in range(300):
                await world.pay()

        watches = [asyncio.create_task(watch(number / 100)) for number in range(50)]
        await traffic()
        for received in await asyncio.gather(*watches):
            _, first = received[0]
            assert received == [("SNAPSHOT", first), *entries(first + 1, 300)]


async def test_an_event_that_is_published_twice_is_returned_once(world, live, engine, publisher):
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(3)
        messages = await outbox_messages(world, world.bob_wallet)
        await publisher.publish([*messages, *messages, *messages[1:], messages[0]])
        assert kinds_and_sequences(await take(updates, 3)) == entries(1, 3)
        assert await nothing_comes(updates)


async def test_a_gap_is_filled_from_the_database(world, live, engine, publisher):
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(5)
        messages = await outbox_messages(world, world.bob_wallet)
        await publisher.publish(messages[2:3])
        assert kinds_and_sequences(await take(updates, 5)) == entries(1, 5)
        await publisher.publish(messages)
        assert await nothing_comes(updates)


async def test_after_a_message_that_cannot_be_parsed_the_database_is_read(world, live, publisher):
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(2)
        await publisher.publish([(world.names.wallet_channel(world.bob_wallet), "{")])
        assert kinds_and_sequences(await take(updates, 2)) == entries(1, 2)


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xfe",
        b"[" * 100_000,
        f'{{"v":1,"kind":"entry","transaction_id":"{uuid4()}","entry":["{{wallet}}",0,"1",1,0,1,"2026-01-01T00:00:00+00:00"]}}',
        f'{{"v":1,"kind":"entry","transaction_id":"{uuid4()}","trace":5,"entry":["{{wallet}}",0,1,1,0,1,"2026-01-01T00:00:00+00:00"]}}',
        f'{{"v":1,"kind":"entry","transaction_id":"{uuid4()}","entry":["{uuid4()}",0,1,1,0,1,"2026-01-01T00:00:00+00:00"]}}',
        '{"v":1,"kind":"wallet_state","wallet_id":"{wallet}","version":"x"}',
        f'{{"v":1,"kind":"wallet_state","wallet_id":"{uuid4()}","version":99}}',
    ],
    ids=[
        "not UTF-8",
        "deeply nested",
        "a string for a number",
        "a number for a trace",
        "another wallet's entry",
        "a version that is no number",
        "another wallet's state",
    ],
)
async def test_an_invalid_message_does_not_end_a_watch(world, live, servers, publisher, message):
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(2)
        raw = message if isinstance(message, bytes) else message.replace("{wallet}", str(world.bob_wallet)).encode()
        async with redis.Redis.from_url(servers.redis_url) as client:
            await client.publish(world.names.wallet_channel(world.bob_wallet), raw)
        assert kinds_and_sequences(await take(updates, 2)) == entries(1, 2)


async def test_a_status_change_is_returned_with_the_current_wallet(world, live, settings):
    async with running_relay(settings), aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.set_status(world.bob_wallet, WalletStatus.FROZEN)
        (frozen,) = await take(updates, 1)
        assert (frozen.kind, frozen.wallet.status, frozen.entry) == (UpdateKind.STATE, WalletStatus.FROZEN, None)
        await world.set_status(world.bob_wallet, WalletStatus.ACTIVE)
        await world.pay()
        received = await take(updates, 2)
        assert kinds_and_sequences(received) == [("STATE", received[0].wallet.sequence), ("ENTRY", 1)]
        assert received[1].wallet.status is WalletStatus.ACTIVE


async def test_an_event_with_an_older_version_of_the_wallet_is_dropped(world, live, publisher):
    changed = await world.set_status(world.bob_wallet, WalletStatus.FROZEN)
    assert changed.version == 2
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        channel = world.names.wallet_channel(world.bob_wallet)
        await publisher.publish([(channel, events.wallet_state_payload(world.bob_wallet, version)) for version in (1, 2)])
        assert await nothing_comes(updates)


async def test_entries_published_after_a_newer_state_are_still_returned_with_that_state(world, live, engine, publisher):
    async with aclosing(live.watch_wallet(world.bob, world.bob_wallet)) as updates:
        await take(updates, 1)
        await world.pay(3)
        await world.set_status(world.bob_wallet, WalletStatus.FROZEN)
        messages = await outbox_messages(world, world.bob_wallet)
        # The state comes first. It includes three entries that the subscriber does not have yet; its cursor does not skip them.
        await publisher.publish([messages[-1], *messages[:-1]])
        received = await take(updates, 4)
        assert kinds_and_sequences(received) == [("STATE", 3), *entries(1, 3)]
        assert [update.wallet.balance for update in received] == [3, 3, 3, 3]
        assert [decode_update_cursor(update.cursor, world.bob_wallet) for update in received] == [0, 1, 2, 3]


@pytest.mark.parametrize("whose", ["stranger's", "unknown"])
async def test_watching_a_wallet_that_the_viewer_may_not_see_raises_not_found(world, live, whose):
    wallet_id = world.alice_wallet if whose == "stranger's" else uuid4()
    with pytest.raises(NotFound) as refused:
        await anext(live.watch_wallet(world.bob, wallet_id))
    assert str(refused.value) == NotFound.default_message
    assert live._pubsub._subscribers == {}


async def test_an_administrator_may_watch_any_wallet(world, live):
    async with aclosing(live.watch_wallet(world.admin, world.alice_wallet)) as updates:
        assert kinds_and_sequences(await take(updates, 1)) == [("SNAPSHOT", 1)]


async def test_a_cursor_ahead_of_the_wallet_is_refused(world, live):
    with pytest.raises(BadUserInput, match="ahead of the wallet"):
        await anext(live.watch_wallet(world.alice, world.alice_wallet, encode_update_cursor(world.alice_wallet, 2)))


@pytest.mark.parametrize("cursor", ["", "nonsense", encode_update_cursor(UUID(int=0), 0)])
async def test_a_malformed_or_foreign_cursor_is_refused(world, live, cursor):
    with pytest.raises(BadUserInput):
        await anext(live.watch_wallet(world.alice, world.alice_wallet, cursor))
