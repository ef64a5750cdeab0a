"""A service that is told to stop: nothing new comes in, what is under way has its true answer, and the end has a bound."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from app.access.tokens import mint_token
from app.db.engine import open_connection
from app.demo.embedded.processes import wait_until
from app.processes.outbox_relay import RELAY_ENDS_WITHIN_SECONDS
from app.processes.serving import ends_within
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.processes.test_cli import EXECUTABLE, servers_of, until_somebody_waits
from tests.servers import Servers, free_port
from tests.transport_ws import Socket, open_socket
from tests.waiting import soon

PAY = """mutation($key: String!, $from: ID!, $to: ID!) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, amount: {amount: "1.00", currency: "USD"}
  }) { transaction { status } userErrors { code } }
}"""
COMPLETED = {"transfer": {"transaction": {"status": "COMPLETED"}, "userErrors": []}}
WATCH = "subscription($id: ID!) { walletUpdated(walletId: $id) { kind } }"
QUERY = "query($id: ID!) { wallet(id: $id) { id } }"


class Service:
    """A `paycore` command that serves on a port of its own."""

    def __init__(self, settings: Settings, log: Path, command: str, workers: int) -> None:
        self.port, self.log, self.workers = free_port(), log, workers
        variable = "PAYCORE_RELAY_PORT" if command == "relay" else "PAYCORE_PORT"
        environment = {"PATH": "/usr/bin:/bin", **servers_of(settings), variable: str(self.port), "PAYCORE_WORKERS": str(workers)}
        with log.open("ab") as file:
            self.process = psutil.Popen([EXECUTABLE, command], env=environment, stdout=file, stderr=file)
        assert wait_until(lambda: self.answer("/readyz") == 200, seconds=30), log.read_text()[-3000:]
        assert wait_until(lambda: log.read_text().count("startup complete") >= workers or command == "relay", seconds=30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> int | None:
        """The status of an answer on a new connection; None where nobody takes it."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=2).status_code
        except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
            # Refused, or reset while it waited to be taken.
            return None

    def socket(self, headers: dict[str, str]) -> AbstractAsyncContextManager[Socket]:
        return open_socket(self.url.replace("http", "ws", 1) + "/graphql", headers)


@contextmanager
def running(settings: Settings, directory: Path, command: str = "serve", workers: int = 1) -> Iterator[Service]:
    service = Service(settings, directory / f"{command}.log", command, workers)
    try:
        yield service
    finally:
        for process in [service.process, *_children(service.process)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        service.process.wait(30)


def _children(process: psutil.Popen) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


class Customer:
    """Alice, who pays bob from a wallet that the test can hold."""

    def __init__(self, headers: dict[str, str], sender: str, receiver: str) -> None:
        self.headers, self.sender, self.receiver = headers, sender, receiver

    @property
    def payment(self) -> dict[str, str]:
        return {"key": new_key(), "from": self.sender, "to": self.receiver}


@pytest.fixture
async def alice(bank: Bank, settings: Settings) -> Customer:
    sender = await bank.wallet(await bank.viewer("alice"), balance="1000.00")
    receiver = await bank.wallet(await bank.viewer("bob"))
    return Customer({"Authorization": f"Bearer {mint_token('alice', settings)}"}, sender, receiver)


@asynccontextmanager
async def held(wallet: str, settings: Settings) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """The wallet's row is locked, so that whoever pays from it waits; gives what lets it go."""
    connection = await open_connection(settings)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT FROM wallets WHERE id = $1 FOR UPDATE", uuid_of(wallet))
    try:
        yield transaction.rollback
    finally:
        await connection.close()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_draining_service_refuses_what_is_new_and_answers_what_is_under_way(
    settings: Settings, alice: Customer, tmp_path: Path, workers: int
) -> None:
    with running(settings, tmp_path, workers=workers) as service:
        limits = httpx.Limits(max_connections=1)
        async with (
            httpx.AsyncClient(base_url=service.url, timeout=20) as http,
            httpx.AsyncClient(base_url=service.url, timeout=20, limits=limits) as kept,
            held(alice.sender, settings) as let_go,
        ):
            assert (await kept.get("/readyz")).status_code == 200
            body = {"query": PAY, "variables": alice.payment}
            slow = asyncio.create_task(http.post("/graphql", json=body, headers=alice.headers))
            await until_somebody_waits(settings)
            service.process.send_signal(signal.SIGTERM)
            await soon(lambda: service.answer("/readyz") is None, 5)
            # It stays so for as long as the service drains, and whoever has a connection already is not told otherwise.
            for _ in range(10):
                assert service.answer("/healthz") is None
                with suppress(httpx.TransportError):
                    assert (await kept.get("/readyz")).status_code == 503
                await asyncio.sleep(0.05)
            assert not slow.done()
            assert service.process.poll() is None
            await let_go()
            answer = await slow
            assert answer.json()["data"] == COMPLETED
        assert service.process.wait(10) == 0


async def test_readiness_says_that_it_drains(settings: Settings, alice: Customer, tmp_path: Path) -> None:
    """As a load balancer sees it that asked a moment before."""
    with running(settings, tmp_path) as service:
        connection = await open_connection(settings)
        try:
            async with connection.transaction(), httpx.AsyncClient(base_url=service.url, timeout=20) as http:
                # Readiness reads it: so it is still being asked when the signal comes.
                await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
                asked = asyncio.create_task(http.get("/readyz"))
                await until_somebody_waits(settings)
                service.process.send_signal(signal.SIGTERM)
                await soon(lambda: service.answer("/healthz") is None, 5)
                assert not asked.done()
                answer = await asked
        finally:
            await connection.close()
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")
        assert service.process.wait(10) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_socket_closes_once_what_it_asked_has_its_answer_and_its_watches_end_at_once(
    settings: Settings, alice: Customer, tmp_path: Path, workers: int
) -> None:
    with running(settings, tmp_path, workers=workers) as service:
        async with (
            service.socket(alice.headers) as socket,
            service.socket(alice.headers) as idle,
            held(alice.sender, settings) as let_go,
        ):
            await socket.subscribe("watch", WATCH, id=alice.sender)
            await idle.subscribe("watch", WATCH, id=alice.sender)
            await idle.data("watch")
            await socket.subscribe("pay", PAY, **alice.payment)
            await until_somebody_waits(settings)
            service.process.send_signal(signal.SIGTERM)
            # Nothing keeps this one.
            assert await idle.close_code(within=5) == 1012
            # The other may be of a worker that hears of it later.
            await soon(lambda: service.log.read_text().count("Shutting down") >= workers, 5)
            # What comes now is for the next process.
            await socket.subscribe("late", QUERY, id=alice.sender)
            await let_go()
            assert await socket.data("pay") == COMPLETED
            assert (await socket.message("pay"))["type"] == "complete"
            assert await socket.close_code(within=5) == 1012
            left = [message["id"] for message in socket._pending]
            assert set(left) <= {"watch"}
            assert not [message for message in socket._pending if message["type"] != "next"], "a watch has no end of its own"
        assert service.process.wait(10) == 0


async def test_a_client_that_never_closes_its_side_holds_nobody_up(settings: Settings, alice: Customer, tmp_path: Path) -> None:
    with running(settings, tmp_path) as service:
        async with service.socket(alice.headers) as socket:
            socket.connection.transport.pause_reading()
            service.process.send_signal(signal.SIGTERM)
            # Uvicorn would wait ten seconds for its answer to the close.
            assert await asyncio.to_thread(service.process.wait, 8) == 0
            socket.connection.transport.resume_reading()


@contextmanager
def frozen_postgres(servers: Servers) -> Iterator[None]:
    servers.freeze_postgres()
    try:
        yield
    finally:
        servers.thaw_postgres()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_whose_database_is_frozen_ends_within_its_bound(
    settings: Settings, alice: Customer, clean_servers: Servers, tmp_path: Path, workers: int
) -> None:
    with running(settings, tmp_path, workers=workers) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as http, service.socket(alice.headers) as socket:
            await socket.subscribe("watch", WATCH, id=alice.sender)
            await socket.data("watch")
            body = {"query": PAY, "variables": alice.payment}
            # So that there are idle connections to be closed.
            assert {answer.status_code for answer in await asyncio.gather(*(http.get("/readyz") for _ in range(16)))} == {200}
            assert (await http.post("/graphql", json=body, headers=alice.headers)).json()["data"] == COMPLETED
            with frozen_postgres(clean_servers):
                body["variables"] = alice.payment
                slow = asyncio.create_task(http.post("/graphql", json=body, headers=alice.headers))
                await socket.subscribe("query", QUERY, id=alice.sender)
                await asyncio.sleep(0.3)
                service.process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(service.process.wait, ends_within(settings)) == 0
                # True to the end: nobody knows yet.
                assert (await slow).json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
                assert (await socket.message("query"))["payload"][0]["extensions"]["code"] == "TIMEOUT"
                assert await socket.close_code() == 1012
    assert "exiting now" not in service.log.read_text()
    assert "did not stop in time" not in service.log.read_text()


@pytest.mark.slow
def test_a_relay_whose_database_is_frozen_is_soon_not_ready(settings: Settings, clean_servers: Servers, tmp_path: Path) -> None:
    with running(settings, tmp_path, "relay") as relay, frozen_postgres(clean_servers):
        assert wait_until(lambda: relay.answer("/readyz") == 503, seconds=15)


@pytest.mark.slow
async def test_a_relay_whose_database_is_frozen_ends_within_its_bound(
    settings: Settings, clean_servers: Servers, tmp_path: Path
) -> None:
    with running(settings, tmp_path, "relay") as relay, frozen_postgres(clean_servers):
        # For its next claim, which does not return. Nothing outside shows it.
        await asyncio.sleep(0.5)
        relay.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(relay.process.wait, RELAY_ENDS_WITHIN_SECONDS) == 0
    assert "stops before its current batch is done" in relay.log.read_text()
