"""Live updates lose nothing while a client subscribes, behind a client that does not read, and out of order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import psutil
import pytest

from app.db.engine import database_dsn
from app.db.pool import Database
from app.messages.publisher import redis_url
from app.settings import Settings
from tests.live_load import RETRYABLE, WATCH, Crowd, Member, Watcher, crowd_of, watching
from tests.live_world import outbox_empty
from tests.proxy import postgres_proxy
from tests.redis_proxy import redis_proxy
from tests.servers import free_port as unused_port
from tests.transport_ws import Socket, open_socket
from tests.waiting import soon

STUCK = 8
BULKY = WATCH.replace("balanceAfter", f"{'x' * 4000}: id balanceAfter")
"""The same in messages of more than 4 kB, to fill the megabytes that a kernel buffers for a socket."""

pytestmark = pytest.mark.slow


@pytest.fixture
async def crowd(engine: Database, settings: Settings, free_port: int) -> AsyncIterator[Crowd]:
    async with crowd_of(8, engine, settings, free_port) as crowd:
        yield crowd


@pytest.mark.heavy
async def test_a_client_that_does_not_read_for_30_seconds_delays_nobody_and_misses_nothing(crowd: Crowd) -> None:
    payer, payee, *others = crowd.members
    api = psutil.Process((await crowd.serve()).pid)
    crowd.processes.relay()
    slow = [Watcher(crowd.url, payee, document=BULKY, receive_buffer=4096) for _ in range(STUCK)]
    quick = [Watcher(crowd.url, member) for member in (payer, payee, payee, others[0])]
    async with watching([*slow, *quick]):
        await crowd.pay(payer, [payee] * 500)
        await crowd.until_all_received([*slow, *quick])
        for _ in range(10):
            await crowd.pay(others[2], [others[3]] * 500)
        before = largest = api.memory_info().rss
        for watcher in slow:
            watcher.reading.clear()
        stalled_until = asyncio.get_running_loop().time() + 30
        for _ in range(10):
            await crowd.pay(payer, [payee] * 500)
            await crowd.pay(others[1], [others[0]] * 10)
            largest = max(largest, api.memory_info().rss)
        # The others get it meanwhile, not only once the slow ones read again.
        await crowd.until_all_received(quick)
        # The API could send them no more and kept no more in memory for them.
        assert await metric(crowd, "paycore_live_overflows_total") >= STUCK
        await asyncio.sleep(stalled_until - asyncio.get_running_loop().time())
        assert max(watcher.sequence for watcher in slow) < 600, "they have read nothing"
        largest = max(largest, api.memory_info().rss)
        assert largest - before < 20_000_000, "a client that does not read costs bounded memory"
        for watcher in slow:
            watcher.reading.set()
        await outbox_empty(crowd.engine)
        await crowd.until_all_received([*slow, *quick], 60)
    assert {watcher.sockets for watcher in quick} == {1}
    assert {code for watcher in slow for code in watcher.codes} <= RETRYABLE


async def metric(crowd: Crowd, name: str) -> float:
    exposition = (await crowd.http.get(f"{crowd.url}/metrics")).text
    return sum(float(line.split()[-1]) for line in exposition.splitlines() if line.startswith(name))


@pytest.mark.parametrize("moment", ["acknowledged", "subscribed", "snapshot"])
async def test_a_payment_at_the_moment_of_subscribing_is_sent(crowd: Crowd, moment: str) -> None:
    await crowd.serve()
    crowd.processes.relay()

    async def subscribe_and_pay(payee: Member, payer: Member) -> None:
        for _ in range(15):
            payments: list[asyncio.Task[None]] = []

            def it_is(now: str, payments: list[asyncio.Task[None]] = payments) -> None:
                if now == moment:
                    payments.append(asyncio.create_task(crowd.pay(payer, [payee])))

            async with acknowledged(crowd, payee) as socket:
                it_is("acknowledged")
                await asyncio.sleep(random.uniform(0, 0.06))
                await socket.subscribe("1", WATCH, wallet=payee.wallet)
                it_is("subscribed")
                first = (await socket.data("1"))["walletUpdated"]
                it_is("snapshot")
                await asyncio.gather(*payments)
                await gets_every_entry_from(crowd, payee, socket, first)

    # Half of them only receive and half only pay, so a receiver's wallet changes only in its own rounds.
    async with asyncio.TaskGroup() as group:
        for payee, payer in zip(crowd.members[::2], crowd.members[1::2], strict=True):
            group.create_task(subscribe_and_pay(payee, payer))


@pytest.mark.parametrize(
    "held", [b"$9\r\nSUBSCRIBE", b"$9\r\nsubscribe"], ids=["on its way to Redis", "confirmed but not received"]
)
async def test_a_payment_while_a_subscription_waits_for_redis_is_sent(crowd: Crowd, held: bytes) -> None:
    payer, *payees = crowd.members
    async with redis_proxy(redis_url(crowd.settings)) as proxy:
        await crowd.serve(PAYCORE_REDIS_URL=proxy.url)
        crowd.processes.relay()
        for payee in payees:
            await outbox_empty(crowd.engine)
            async with acknowledged(crowd, payee) as socket:
                proxy.go_silent(held)
                await socket.subscribe("1", WATCH, wallet=payee.wallet)
                await soon(lambda: proxy.holding)
                await crowd.pay(payer, [payee])
                # Published, but not received by any subscriber.
                await outbox_empty(crowd.engine)
                proxy.flow()
                await gets_every_entry_from(crowd, payee, socket, (await socket.data("1"))["walletUpdated"])


async def gets_every_entry_from(crowd: Crowd, member: Member, socket: Socket, first: dict[str, Any]) -> None:
    """Assert that each entry after this first update arrives."""
    assert first["kind"] == "SNAPSHOT"
    sequence = int(first["wallet"]["sequence"])
    for expected, _ in (await crowd.entries(member))[sequence:]:
        entry = (await socket.data("1"))["walletUpdated"]["entry"]
        assert int(entry["sequence"]) == expected


def acknowledged(crowd: Crowd, member: Member) -> AbstractAsyncContextManager[Socket]:
    """A member's WebSocket after connection_ack."""
    url = crowd.url.replace("http", "ws", 1) + "/graphql"
    return open_socket(url, {"Authorization": f"Bearer {member.token}"})


async def test_commits_out_of_order_are_sent_in_order(crowd: Crowd) -> None:
    """One API's COMMIT is delayed while another API's transfers, with higher outbox ids, are published."""
    a, b, c, d, *_ = crowd.members
    async with postgres_proxy(database_dsn(crowd.settings)) as proxy:
        await crowd.serve(PAYCORE_DATABASE_URL=proxy.url)
        other = replace(crowd, port=unused_port())
        await other.serve()
        crowd.processes.relay()
        watchers = [Watcher(url, member) for url in (crowd.url, other.url) for member in (a, b, c, d)]
        async with watching(watchers):
            for _ in range(15):
                await outbox_empty(crowd.engine)
                proxy.hold_commits()
                late = asyncio.create_task(crowd.pay(a, [b] * 3))
                await soon(lambda: proxy.holding)
                await other.pay(c, [d] * random.randint(1, 5))
                await other.until_all_received([watcher for watcher in watchers if watcher.member in (c, d)])
                # It waits for b's wallet, so it follows the late one there.
                after_it = asyncio.create_task(other.pay(c, [b, d]))
                await asyncio.sleep(random.uniform(0.05, 0.25))
                assert not late.done()
                proxy.pass_commits()
                await asyncio.gather(late, after_it)
                await crowd.until_all_received(watchers)
    assert {watcher.sockets for watcher in watchers} == {1}


async def test_a_client_that_never_reads_again_is_disconnected(crowd: Crowd) -> None:
    payer, payee, *_ = crowd.members
    await crowd.serve(PAYCORE_WEBSOCKET_PING_SECONDS="1")
    crowd.processes.relay()
    stuck = [Watcher(crowd.url, payee, document=BULKY, receive_buffer=4096) for _ in range(3)]
    async with watching(stuck):
        for watcher in stuck:
            watcher.reading.clear()
        for _ in range(4):
            await crowd.pay(payer, [payee] * 500)
        async with asyncio.timeout(40):
            while await metric(crowd, "paycore_websockets ") > 0:  # noqa: ASYNC110 - it happens in the service
                await asyncio.sleep(0.2)
        assert await metric(crowd, 'paycore_subscriptions{field="walletUpdated"}') == 0
