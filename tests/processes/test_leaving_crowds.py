"""Many clients that leave at once, and database connections that are cut, log no error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app import ids
from app.access.tokens import mint_token
from app.db.pool import Database
from app.settings import Settings
from tests.bank import new_key
from tests.live_load import Processes, processes
from tests.live_world import World, living_world
from tests.proxy import postgres_proxy
from tests.servers import free_port
from tests.transport_ws import Socket, open_socket
from tests.waiting import soon

CUTS = 4
WATCHES = 10
SOCKETS = 25
OPERATIONS = 100
STREAMS = 200
WATCH = "subscription($wallet: ID!) { walletUpdated(walletId: $wallet) { kind cursor entry { sequence } } }"
READS = "subscription($wallet: ID!) { walletUpdated(walletId: $wallet) { entry { sequence transaction { sender { id } } } } }"

pytestmark = pytest.mark.slow


@dataclass
class Service:
    """An API process and a relay process."""

    port: int
    http: httpx.AsyncClient
    world: World
    token: Callable[[str], str]
    log: Callable[[], str]

    @property
    def wallet(self) -> str:
        """The public id of the wallet whose updates are watched."""
        return ids.encode("wal", self.world.bob_wallet)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token('bob')}"}

    def socket(self) -> Any:
        """A WebSocket whose connection_init is acknowledged."""
        return open_socket(f"ws://127.0.0.1:{self.port}/graphql", self.headers)

    def faults(self) -> list[str]:
        """The log lines that are errors, contain a traceback or are not JSON."""
        return [line for line in self.log().splitlines() if _is_fault(line)]

    async def until_metric(self, name: str, value: float, *, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        async with asyncio.timeout(60):
            while await self._metric(name) != value:
                if meanwhile is not None:
                    await meanwhile()
                await asyncio.sleep(0.1)

    async def _metric(self, name: str) -> float:
        """A metric's sum over its labels."""
        lines = (await self.http.get("/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def _is_fault(line: str) -> bool:
    try:
        return json.loads(line)["level"] in ("error", "critical") or "Traceback" in line
    except (ValueError, KeyError, TypeError):
        return True


@asynccontextmanager
async def service(settings: Settings, engine: Database, **environment: str) -> AsyncIterator[Service]:
    environment = {"PAYCORE_LOG_FORMAT": "json", **environment}
    port, log = free_port(), settings.home / "paycore.log"
    with processes(settings) as running:
        async with (
            living_world(engine, settings) as world,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        ):
            await _start(running, port, environment)
            yield Service(port, http, world, lambda subject: mint_token(subject, settings), log.read_text)


async def _start(running: Processes, port: int, environment: dict[str, str]) -> None:
    running.relay(**environment)
    await running.api(port, **environment)


async def watch(socket: Socket, wallet: str) -> None:
    for number in range(OPERATIONS):
        await socket.subscribe(str(number), WATCH, wallet=wallet)


@asynccontextmanager
async def paying(it: Service) -> AsyncIterator[list[str]]:
    """alice pays bob through the API, retrying each payment until it is known. Yields the list of paid keys."""
    paid: list[str] = []
    stop = asyncio.Event()
    sender = ids.encode("wal", it.world.alice_wallet)
    body = {"sender_wallet_id": sender, "receiver_wallet_id": it.wallet, "amount": "0.01", "currency": "USD"}
    headers = {"Authorization": f"Bearer {it.token('alice')}"}

    async def answered(with_key: dict[str, str]) -> bool:
        return (await it.http.post("/transfer", json=body, headers=with_key)).status_code < 500

    async def pay() -> None:
        while not stop.is_set():
            key = new_key()
            async with asyncio.timeout(60):
                while not await answered({**headers, "Idempotency-Key": key}):  # noqa: ASYNC110 - it happens in the service
                    await asyncio.sleep(0.05)
            paid.append(key)
            # Slowly, as each payment is sent to every subscription.
            await asyncio.sleep(0.05)

    payer = asyncio.create_task(pay())
    try:
        yield paid
    finally:
        stop.set()
        await payer


@asynccontextmanager
async def following(socket: Socket) -> AsyncIterator[dict[str, int]]:
    """Yields the sequence of the latest entry of each operation."""
    latest: dict[str, int] = {}

    async def follow() -> None:
        while True:
            message = json.loads(await socket.connection.recv())
            data = message.get("payload", {}).get("data") if message["type"] == "next" else None
            if data and data["walletUpdated"]["entry"]:
                latest[message["id"]] = int(data["walletUpdated"]["entry"]["sequence"])

    task = asyncio.create_task(follow())
    try:
        yield latest
    finally:
        task.cancel()
        await asyncio.wait([task])


async def another_payment(paid: list[str]) -> None:
    """Wait for one more payment."""
    before = len(paid)
    await soon(lambda: len(paid) > before, 60)


async def leave(socket: Socket, *, politely: bool) -> None:
    if politely:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await socket.connection.close()
    socket.connection.transport.abort()


@pytest.mark.parametrize("wait", [True, False], ids=["with their updates", "before their answers"])
async def test_sockets_with_many_operations_that_close_at_once_log_no_error(
    settings: Settings, engine: Database, wait: bool
) -> None:
    async with service(settings, engine) as it, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(it.socket()) for _ in range(SOCKETS)]
        await asyncio.gather(*(watch(socket, it.wallet) for socket in sockets))
        if wait:
            await it.until_metric("paycore_subscriptions", SOCKETS * OPERATIONS)
            await it.world.pay()
        await asyncio.gather(*(leave(socket, politely=bool(number % 2)) for number, socket in enumerate(sockets)))
        await it.until_metric("paycore_websockets", 0)
        await it.until_metric("paycore_subscriptions", 0)
        assert it.faults() == []


@pytest.mark.parametrize("more", [0, 1], ids=["", "with another request behind"])
async def test_event_streams_that_close_at_once_end_and_log_no_error(settings: Settings, engine: Database, more: int) -> None:
    async with service(settings, engine) as it:
        body = json.dumps({"query": WATCH, "variables": {"wallet": it.wallet}})
        head = "".join(f"{name}: {value}\r\n" for name, value in it.headers.items())
        request = (
            f"POST /graphql HTTP/1.1\r\nHost: x\r\n{head}Accept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        writers = []
        for _ in range(STREAMS):
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(request)
            writers.append(writer)
        await it.until_metric("paycore_subscriptions", STREAMS)
        await it.world.pay()
        for number, writer in enumerate(writers):
            writer.write(request * more)
            writer.close() if number % 2 else writer.transport.abort()
        # A client that does not read is detected as gone.
        await it.until_metric("paycore_subscriptions", 0, meanwhile=it.world.pay)
        assert it.faults() == []


async def test_a_message_of_invalid_utf_8_closes_its_socket_and_logs_no_error(settings: Settings, engine: Database) -> None:
    async with service(settings, engine) as it:
        for parts in (b"\xff", [b"{", b"\xc3", b"}"]):
            async with it.socket() as socket:
                await socket.connection.send(parts, text=True)
                assert await socket.close_code() == 1007
        assert it.faults() == []


async def test_cut_database_connections_log_no_error(settings: Settings, engine: Database) -> None:
    assert settings.database_url is not None
    async with postgres_proxy(settings.database_url.get_secret_value()) as proxy, AsyncExitStack() as stack:
        it = await stack.enter_async_context(service(settings, engine, PAYCORE_DATABASE_URL=proxy.url))
        watcher = await stack.enter_async_context(it.socket())
        for number in range(WATCHES):
            await watcher.subscribe(f"plain {number}", WATCH, wallet=it.wallet)
            await watcher.subscribe(f"reads {number}", READS, wallet=it.wallet)
        latest = await stack.enter_async_context(following(watcher))
        async with paying(it) as paid:
            for number in range(CUTS):
                await another_payment(paid)
                proxy.refuse = bool(number % 2)
                proxy.drop_connections()
                # Long enough for some attempts to fail.
                await asyncio.sleep(0.5)
                proxy.refuse = False
            await another_payment(paid)
        plain = [f"plain {number}" for number in range(WATCHES)]
        await soon(lambda: all(latest.get(one) == len(paid) for one in plain), 60)
        assert it.faults() == []
        warnings = [line for line in it.log().splitlines() if json.loads(line)["level"] == "warning"]
        assert len(warnings) < 60, "not one line per subscription and cut"
