"""A service that stops refuses new requests, answers running ones correctly and ends within a time limit."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from app.access.tokens import mint_token
from app.db.engine import open_connection
from app.processes.outbox_relay import RELAY_ENDS_WITHIN_SECONDS
from app.processes.serving import ends_within
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.forks import Command, start
from tests.processes.test_cli import servers_of, until_a_lock_is_awaited
from tests.servers import Servers, free_port
from tests.transport_ws import Socket, open_socket
from tests.waiting import START_SECONDS, soon, wait_until

PAY = """mutation($key: String!, $from: ID!, $to: ID!) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, amount: {amount: "1.00", currency: "USD"}
  }) { transaction { status } userErrors { code } }
}"""
COMPLETED = {"transfer": {"transaction": {"status": "COMPLETED"}, "userErrors": []}}
WATCH = "subscription($id: ID!) { walletUpdated(walletId: $id) { kind } }"
QUERY = "query($id: ID!) { wallet(id: $id) { id } }"


class Service:
    """A running `paycore` command with a port of its own."""

    def __init__(self, settings: Settings, log: Path, command: str, workers: int) -> None:
        self.port, self.log, self.workers = free_port(), log, workers
        variable = "PAYCORE_RELAY_PORT" if command == "relay" else "PAYCORE_PORT"
        environment = {**servers_of(settings), variable: str(self.port), "PAYCORE_WORKERS": str(workers)}
        with log.open("ab") as file:
            self.process = start(command, environment=environment, output=file)
        assert wait_until(lambda: self.answer("/readyz") == 200, seconds=START_SECONDS), log.read_text()[-3000:]
        assert wait_until(
            lambda: log.read_text().count("startup complete") >= workers or command == "relay", seconds=START_SECONDS
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> int | None:
        """The status of an answer on a new connection, or None if there is no answer."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=2).status_code
        except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
            return None

    def refuses(self) -> bool:
        """Whether no process listens any more.

        A request without an answer does not show this: one worker may have closed its socket with the connection in its
        queue while another still accepts.
        """
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == errno.ECONNREFUSED

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
        service.process.wait(60)


def _children(process: Command) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


class Customer:
    """alice, who pays bob from a wallet that the test can lock."""

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
async def locked(wallet: str, settings: Settings) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Lock the wallet's row, so that payments from it wait; yields a function that releases the lock."""
    connection = await open_connection(settings)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT FROM wallets WHERE id = $1 FOR UPDATE", uuid_of(wallet))
    try:
        yield transaction.rollback
    finally:
        await connection.close()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_draining_service_refuses_new_connections_and_answers_running_requests(
    settings: Settings, alice: Customer, tmp_path: Path, workers: int
) -> None:
    with running(settings, tmp_path, workers=workers) as service:
        limits = httpx.Limits(max_connections=1)
        async with (
            httpx.AsyncClient(base_url=service.url, timeout=20) as http,
            httpx.AsyncClient(base_url=service.url, timeout=20, limits=limits) as kept,
            locked(alice.sender, settings) as release,
        ):
            assert (await kept.get("/readyz")).status_code == 200
            body = {"query": PAY, "variables": alice.payment}
            slow = asyncio.create_task(http.post("/graphql", json=body, headers=alice.headers))
            await until_a_lock_is_awaited(settings)
            service.process.send_signal(signal.SIGTERM)
            await soon(service.refuses, 30)
            # New connections are refused while the service drains, and open ones get 503.
            for _ in range(10):
                assert service.refuses()
                with suppress(httpx.TransportError):
                    assert (await kept.get("/readyz")).status_code == 503
                await asyncio.sleep(0.05)
            assert not slow.done()
            assert service.process.poll() is None
            await release()
            answer = await slow
            assert answer.json()["data"] == COMPLETED
        assert service.process.wait(60) == 0


async def test_readiness_reports_that_the_service_drains(settings: Settings, alice: Customer, tmp_path: Path) -> None:
    """A load balancer whose probe runs when the signal comes gets this answer."""
    with running(settings, tmp_path) as service:
        connection = await open_connection(settings)
        try:
            async with connection.transaction(), httpx.AsyncClient(base_url=service.url, timeout=20) as http:
                # Readiness reads this table, so the probe still runs when the signal comes.
                await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
                probe = asyncio.create_task(http.get("/readyz"))
                await until_a_lock_is_awaited(settings)
                service.process.send_signal(signal.SIGTERM)
                await soon(service.refuses, 30)
                assert not probe.done()
                answer = await probe
        finally:
            await connection.close()
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")
        assert service.process.wait(60) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_socket_closes_once_its_operations_are_answered_and_its_subscriptions_end_at_once(
    settings: Settings, alice: Customer, tmp_path: Path, workers: int
) -> None:
    with running(settings, tmp_path, workers=workers) as service:
        async with (
            service.socket(alice.headers) as socket,
            service.socket(alice.headers) as idle,
            locked(alice.sender, settings) as release,
        ):
            await socket.subscribe("watch", WATCH, id=alice.sender)
            await idle.subscribe("watch", WATCH, id=alice.sender)
            await idle.data("watch")
            await socket.subscribe("pay", PAY, **alice.payment)
            await until_a_lock_is_awaited(settings)
            service.process.send_signal(signal.SIGTERM)
            # It has only a subscription, so it closes at once.
            assert await idle.close_code() == 1012
            # The other socket may be of a worker that gets the signal later.
            await soon(lambda: service.log.read_text().count("Shutting down") >= workers, 30)
            # A new operation is left for the next process.
            await socket.subscribe("late", QUERY, id=alice.sender)
            await release()
            assert await socket.data("pay") == COMPLETED
            assert (await socket.message("pay"))["type"] == "complete"
            assert await socket.close_code() == 1012
            left = [message["id"] for message in socket._pending]
            assert set(left) <= {"watch"}
            assert not [message for message in socket._pending if message["type"] != "next"], (
                "a subscription gets no complete message"
            )
        assert service.process.wait(60) == 0


async def test_a_client_that_never_closes_its_side_does_not_delay_the_stop(
    settings: Settings, alice: Customer, tmp_path: Path
) -> None:
    with running(settings, tmp_path) as service:
        async with service.socket(alice.headers) as socket:
            socket.connection.transport.pause_reading()
            service.process.send_signal(signal.SIGTERM)
            # Uvicorn would wait ten seconds for the client's close frame.
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
async def test_a_service_with_a_frozen_database_ends_within_its_limit(
    settings: Settings, alice: Customer, clean_servers: Servers, tmp_path: Path, workers: int
) -> None:
    with running(settings, tmp_path, workers=workers) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as http, service.socket(alice.headers) as socket:
            await socket.subscribe("watch", WATCH, id=alice.sender)
            await socket.data("watch")
            body = {"query": PAY, "variables": alice.payment}
            # Makes idle connections in the pool, which must be closed at the end.
            assert {answer.status_code for answer in await asyncio.gather(*(http.get("/readyz") for _ in range(16)))} == {200}
            assert (await http.post("/graphql", json=body, headers=alice.headers)).json()["data"] == COMPLETED
            with frozen_postgres(clean_servers):
                body["variables"] = alice.payment
                slow = asyncio.create_task(http.post("/graphql", json=body, headers=alice.headers))
                await socket.subscribe("query", QUERY, id=alice.sender)
                await asyncio.sleep(0.3)
                service.process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(service.process.wait, ends_within(settings)) == 0
                # The outcome is unknown, and the answer reports that.
                assert (await slow).json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
                # A query moves nothing, so an end by the time limit and one by the loss of its connection are both true.
                answer = (await socket.message("query"))["payload"]
                errors = answer["errors"] if isinstance(answer, dict) else answer
                assert errors[0]["extensions"]["code"] in ("TIMEOUT", "UNAVAILABLE")
                assert await socket.close_code() == 1012
    assert "exiting now" not in service.log.read_text()
    assert "did not stop in time" not in service.log.read_text()


@pytest.mark.slow
def test_a_relay_with_a_frozen_database_is_soon_not_ready(settings: Settings, clean_servers: Servers, tmp_path: Path) -> None:
    with running(settings, tmp_path, "relay") as relay, frozen_postgres(clean_servers):
        assert wait_until(lambda: relay.answer("/readyz") == 503, seconds=30)


@pytest.mark.slow
async def test_a_relay_with_a_frozen_database_ends_within_its_limit(
    settings: Settings, clean_servers: Servers, tmp_path: Path
) -> None:
    with running(settings, tmp_path, "relay") as relay, frozen_postgres(clean_servers):
        # Time for its next claim, which does not return. No metric or log line shows it.
        await asyncio.sleep(0.5)
        relay.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(relay.process.wait, RELAY_ENDS_WITHIN_SECONDS) == 0
    assert "stops before its current batch is done" in relay.log.read_text()
