"""/metrics over several workers: the sum of most gauges, and the worst value if an alert needs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from pydantic import SecretStr

from app.access.tokens import mint_token
from app.settings import Settings
from tests.bank import Bank
from tests.processes.test_observability import SETTLED, WATCH, samples
from tests.processes.test_serving import WORKERS, listens, workers
from tests.redis_proxy import redis_proxy
from tests.service_processes import SECRET, Running, running_service
from tests.transport_ws import Socket, open_socket
from tests.waiting import START_SECONDS, soon

SOCKETS = 16
"""The chance that one worker gets all of them is one in thirty thousand."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers share a socket"),
]


@asynccontextmanager
async def serving(settings: Settings, log: Path) -> AsyncIterator[Running]:
    """Two workers and a relay."""
    service = running_service(settings, log, {})
    running = await asyncio.to_thread(service.__enter__)
    try:
        await soon(lambda: len(group(running)) == WORKERS and all(map(listens, group(running).values())), START_SECONDS)
        yield running
    finally:
        await asyncio.to_thread(service.__exit__, None, None, None)


async def until_metrics(running: Running, expected: dict[str, float]) -> None:
    """Wait until one scrape of /metrics has all these values; a missing name counts as 0."""
    found: dict[str, float] = {}
    for _ in range(150):
        found = await samples(running.url)
        if all(found.get(f"paycore_{name}", 0) == value for name, value in expected.items()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError({name: found.get(f"paycore_{name}") for name in expected})


def levels(sockets: list[Socket], settled: int, *, closed: int) -> dict[str, float]:
    """The expected metrics while these sockets are open and `closed` others ended with their worker."""
    return {
        "websockets": len(sockets),
        'subscriptions{field="walletUpdated"}': len(sockets),
        'subscriptions{field="transactionSettled"}': settled,
        'websocket_closes_total{code="1012"}': closed,
    }


def group(running: Running) -> dict[int, psutil.Process]:
    return {worker.pid: worker for worker in workers(running.processes["serve"])}


async def open_sockets(stack: AsyncExitStack, running: Running, wallet_id: str, token: str) -> list[Socket]:
    """Open sockets that each watch the wallet; every second one also subscribes to settlements."""
    sockets: list[Socket] = []
    url = running.url.replace("http", "ws", 1) + "/graphql"
    for number in range(SOCKETS):
        socket = await stack.enter_async_context(open_socket(url, {"Authorization": f"Bearer {token}"}))
        await socket.subscribe("watch", WATCH, id=wallet_id)
        assert (await socket.data("watch"))["walletUpdated"]["kind"] == "SNAPSHOT"
        if number % 2:
            await socket.subscribe("settled", SETTLED)
        sockets.append(socket)
    return sockets


def sockets_of(worker: psutil.Process, sockets: list[Socket]) -> list[Socket]:
    """The sockets that a worker accepted."""
    clients = {one.raddr.port for one in worker.net_connections(kind="tcp") if one.status == psutil.CONN_ESTABLISHED}
    return [socket for socket in sockets if socket.connection.local_address[1] in clients]


def connections_to(worker: psutil.Process, port: int | None) -> list[Any]:
    """A worker's connections to a port."""
    connected = [one for one in worker.net_connections(kind="tcp") if one.status == psutil.CONN_ESTABLISHED]
    return [one for one in connected if one.raddr.port == port]


async def test_gauges_of_sockets_and_subscriptions_are_summed_over_the_workers_that_run(
    settings: Settings, bank: Bank, tmp_path: Path
) -> None:
    wallet = await bank.wallet(await bank.viewer("bob"))
    token = mint_token("bob", settings.model_copy(update={"jwt_secret": SecretStr(SECRET)}))
    async with serving(settings, tmp_path / "log") as running, AsyncExitStack() as stack:
        first, second = group(running).values()
        sockets = await open_sockets(stack, running, wallet, token)
        await until_metrics(running, levels(sockets, SOCKETS // 2, closed=0))
        ends, stays = sockets_of(first, sockets), sockets_of(second, sockets)
        assert len(ends) + len(stays) == SOCKETS
        assert ends
        assert stays

        first.terminate()
        assert {await socket.close_code() for socket in ends} == {1012}
        await until_metrics(running, levels(stays, sum(sockets.index(one) % 2 for one in stays), closed=len(ends)))
        await soon(lambda: len(group(running)) == WORKERS, START_SECONDS)

        # A killed worker cannot reset its gauges: the others drop them on a scrape, and keep its counters.
        second.kill()
        await soon(lambda: second.pid not in group(running) and len(group(running)) == WORKERS, START_SECONDS)
        await until_metrics(running, {**levels([], 0, closed=len(ends)), "redis_connected": 1})


async def test_metrics_show_that_one_of_several_workers_has_lost_redis(settings: Settings, tmp_path: Path) -> None:
    assert settings.redis_url is not None
    async with redis_proxy(settings.redis_url.get_secret_value()) as proxy:
        through = settings.model_copy(update={"redis_url": SecretStr(proxy.url)})
        async with serving(through, tmp_path / "log") as running:
            await until_metrics(running, {"redis_connected": 1, "redis_losses_total": 0})
            worker = next(iter(group(running).values()))
            proxy.refuses = True
            proxy.cut_from({one.laddr.port for one in connections_to(worker, urlsplit(proxy.url).port)})
            await until_metrics(running, {"redis_connected": 0, "redis_losses_total": 1})
            proxy.refuses = False
            await until_metrics(running, {"redis_connected": 1, "redis_losses_total": 1})
