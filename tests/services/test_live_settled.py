"""transactionSettled: who receives which transactions, each once, and how many a slow reader missed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import text

from app import ids
from app.clock import system_clock
from app.db.pool import Database
from app.messages import events
from app.records import TransactionStatus
from app.services.live import LiveUpdates
from tests.live_world import (
    World,
    living,
    outbox_empty,
    running_relay,
)
from tests.waiting import soon


async def test_sender_recipient_and_administrators_receive_a_settled_transaction_and_nobody_else(world, live, settings):
    stranger = replace(world.alice, user_id=uuid4())
    async with running_relay(settings):
        await outbox_empty(world.engine)
        streams = [live.watch_settled(viewer) for viewer in (world.alice, world.bob, world.admin, stranger)]
        pending = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await soon(lambda: len(live._pubsub._subscribers) == 4)
        await asyncio.sleep(0.1)
        await pay_too_much(world)
        await world.pay()
        settled = await asyncio.wait_for(asyncio.gather(*pending[:3]), 10)
        assert {one.missed for one in settled} == {0}
        assert len({one.transaction_id for one in settled}) == 1
        assert await status_of(world.engine, settled[0].transaction_id) == "COMPLETED"
        assert not pending[3].done()
        pending[3].cancel()
        await asyncio.wait(pending)
        for stream in streams:
            await stream.aclose()


async def test_a_settled_transaction_that_is_published_twice_is_returned_once(world, live, publisher):
    first, second = uuid4(), uuid4()
    messages = [
        events.outgoing(world.names, events.settled_payload(one, [], []), system_clock()).messages for one in (first, second)
    ]
    async with aclosing(live.watch_settled(world.admin)) as settled:
        pending = asyncio.ensure_future(anext(settled))
        await soon(lambda: live._pubsub._subscribers)
        await asyncio.sleep(0.1)
        await publisher.publish([*messages[0], *messages[0], *messages[1]])
        assert (await pending).transaction_id == first
        assert (await anext(settled)).transaction_id == second


async def test_a_slow_reader_of_settled_transactions_gets_the_number_that_it_missed(world, settings, engine, publisher):
    async with living(settings, engine, buffer=10) as live, aclosing(live.watch_settled(world.admin)) as settled:
        pending = asyncio.ensure_future(anext(settled))
        await soon(lambda: live._pubsub._subscribers)
        await asyncio.sleep(0.1)
        ids_ = [uuid4() for _ in range(100)]
        await publisher.publish(
            [events.outgoing(world.names, events.settled_payload(ids_[0], [], []), system_clock()).messages[0]]
        )
        assert (await asyncio.wait_for(pending, 5)).missed == 0
        for one in ids_[1:]:
            await publisher.publish(events.outgoing(world.names, events.settled_payload(one, [], []), system_clock()).messages)
        await soon(lambda: live._pubsub._subscribers and buffer_of(live).dropped > 80)
        received = [await anext(settled)]
        while received[-1].transaction_id != ids_[-1]:
            received.append(await anext(settled))
        assert [one.transaction_id for one in received] == ids_[-len(received) :]
        assert [one.missed for one in received] == [99 - len(received), *[0] * (len(received) - 1)]


def buffer_of(live: LiveUpdates):
    ((buffer,),) = live._pubsub._subscribers.values()
    return buffer


async def pay_too_much(world: World) -> None:
    sender, receiver = ids.encode("wal", world.alice_wallet), ids.encode("wal", world.bob_wallet)
    refused = await world.bank.pay(world.alice, sender, receiver, "99999999.00")
    assert refused.transaction is not None
    assert refused.transaction.status is TransactionStatus.FAILED


async def status_of(engine: Database, transaction_id: UUID) -> str:
    async with engine.connect() as connection:
        return str(await connection.scalar(text("SELECT status FROM transactions WHERE id = :id"), {"id": transaction_id}))
