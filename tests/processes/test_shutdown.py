"""API and relay stopped and killed under load: answers are correct, each key pays once, no event is lost or sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from app.access.tokens import mint_token
from app.db.engine import open_connection
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.forks import Command, start
from tests.processes.test_cli import servers_of
from tests.servers import free_port
from tests.transport_ws import open_socket
from tests.waiting import START_SECONDS, wait_until

CLIENTS = 24
TRANSFERS = 500
PAY = """mutation($key: String!, $from: ID!, $to: ID!) {
  transfer(input: {
    idempotencyKey: $key, senderWalletId: $from, receiverWalletId: $to, amount: {amount: "0.01", currency: "USD"}
  }) { transaction { status } userErrors { code } }
}"""
WATCH = "subscription($id: ID!) { walletUpdated(walletId: $id) { entry { sequence } } }"
COMPLETED = "COMPLETED"


@dataclass
class Load:
    """Clients that pay from one wallet to another until all keys are completed, and the answers that they got."""

    url: str
    headers: dict[str, str]
    sender: str
    receiver: str
    transfers: int = TRANSFERS
    answers_by_key: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = [new_key() for _ in range(self.transfers)]

    @property
    def completed(self) -> int:
        """The number of transfers answered as completed."""
        return sum(COMPLETED in answers for answers in list(self.answers_by_key.values()))

    async def run(self) -> None:
        """Send each key until it is answered as completed."""
        waiting = list(self.keys)
        async with asyncio.timeout(150), asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client(waiting))

    async def _client(self, waiting: list[str]) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as http:
            while waiting:
                key = waiting.pop()
                answers = self.answers_by_key.setdefault(key, [])
                while COMPLETED not in answers:
                    answers.append(await self._pay(http, key))
                    if answers[-1] != COMPLETED:
                        await asyncio.sleep(0.05)

    async def _pay(self, http: httpx.AsyncClient, key: str) -> str:
        variables = {"key": key, "from": self.sender, "to": self.receiver}
        try:
            answer = (await http.post("/graphql", json={"query": PAY, "variables": variables}, headers=self.headers)).json()
        except (httpx.HTTPError, ValueError):
            return "no answer"
        if "errors" in answer:
            code: str = answer["errors"][0]["extensions"]["code"]
            return code
        payload = answer["data"]["transfer"]
        assert payload["userErrors"] == [], payload
        status: str = payload["transaction"]["status"]
        return status


@dataclass
class Service:
    """`paycore serve`, or `paycore relay`; the tests restart it after each end."""

    command: str
    environment: dict[str, str]
    url: str
    log: Path
    process: Command | None = None

    def start(self) -> None:
        with self.log.open("ab") as file:
            self.process = start(self.command, environment=self.environment, output=file, new_session=True)
        assert wait_until(self.is_ready, seconds=START_SECONDS), self.log.read_text()[-3000:]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, number: signal.Signals) -> None:
        """Send the signal and wait for the end. SIGKILL goes to the workers too."""
        assert self.process is not None
        if number is signal.SIGKILL:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(60)
        assert not self.is_ready()


def running(command: str, settings: Settings, directory: Path, workers: int = 1) -> Iterator[Service]:
    port = free_port()
    environment = {**servers_of(settings), "PAYCORE_WORKERS": str(workers)}
    environment["PAYCORE_PORT" if command == "serve" else "PAYCORE_RELAY_PORT"] = str(port)
    running = Service(command, environment, f"http://127.0.0.1:{port}", directory / f"{command}.log")
    running.start()
    yield running
    assert running.process is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait(60)


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    """An API of one process."""
    yield from running("serve", settings, tmp_path)


@pytest.fixture
def two_workers(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    """An API of two workers."""
    yield from running("serve", settings, tmp_path, workers=2)


@pytest.fixture
def relay(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    yield from running("relay", settings, tmp_path)


async def follow(service: Service, headers: dict[str, str], wallet: str, count: int, began: asyncio.Event) -> list[int]:
    """The sequences of a wallet's first entries as a subscription gets them; `began` is set before the first."""
    sequences: list[int] = []
    async with asyncio.timeout(150), open_socket(service.url.replace("http", "ws", 1) + "/graphql", headers) as socket:
        await socket.subscribe("1", WATCH, id=wallet)
        while len(sequences) < count:
            entry = (await socket.data("1", within=60))["walletUpdated"]["entry"]
            began.set()
            if entry is not None:
                sequences.append(int(entry["sequence"]))
    return sequences


async def recorded(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT idempotency_key FROM transactions WHERE status = 'COMPLETED'")}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_a_stopped_or_killed_api_answers_correctly_and_loses_nothing(
    two_workers: Service, settings: Settings, bank: Bank, number: signal.Signals
) -> None:
    sender = await bank.wallet(await bank.viewer("alice"), balance="1000.00")
    receiver = await bank.wallet(await bank.viewer("bob"))
    headers = {"Authorization": f"Bearer {mint_token('alice', settings)}"}
    load = Load(two_workers.url, headers, sender, receiver)
    connection = await open_connection(settings)
    try:
        clients = asyncio.create_task(load.run())
        for ended in range(1, 3):
            async with open_socket(two_workers.url.replace("http", "ws", 1) + "/graphql", headers) as socket:
                while load.completed < ended * TRANSFERS // 4:
                    assert not clients.done(), "the clients are through before the service was ended"
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(two_workers.end, number)
                if number is signal.SIGTERM:
                    # The close code asks clients to reconnect, here to the next process.
                    assert await socket.close_code() == 1012
            # No process runs now: each transfer answered as completed is recorded exactly once.
            said = {key for key, answers in load.answers_by_key.items() if COMPLETED in answers}
            assert said <= await recorded(connection)
            await asyncio.to_thread(two_workers.start)
        await clients
        assert {key for key in await recorded(connection) if key in set(load.keys)} == set(load.keys)
        assert await bank.balance(receiver) == TRANSFERS, "each paid once"
        answers = [answer for all_of_one in load.answers_by_key.values() for answer in all_of_one]
        assert answers.count("no answer") > 0
        assert set(answers) <= {COMPLETED, "no answer", "UNAVAILABLE"}
    finally:
        await connection.close()
    assert await verify(settings) == []


def workers_of(service: Service) -> set[psutil.Process]:
    """The workers that accept connections."""
    assert service.process is not None
    found: set[psutil.Process] = set()
    for child in service.process.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(connection.status == psutil.CONN_LISTEN for connection in child.net_connections(kind="tcp")):
                found.add(child)
    return found


@pytest.mark.slow
async def test_a_worker_killed_under_load_loses_nothing_and_the_other_goes_on(
    two_workers: Service, settings: Settings, bank: Bank
) -> None:
    sender = await bank.wallet(await bank.viewer("alice"), balance="1000.00")
    receiver = await bank.wallet(await bank.viewer("bob"))
    load = Load(two_workers.url, {"Authorization": f"Bearer {mint_token('alice', settings)}"}, sender, receiver)
    assert wait_until(lambda: len(workers_of(two_workers)) == 2, seconds=START_SECONDS)
    killed, other = workers_of(two_workers)
    clients = asyncio.create_task(load.run())
    while load.completed < TRANSFERS // 4:
        assert not clients.done(), "the clients are through before the worker was killed"
        await asyncio.sleep(0.01)
    killed.kill()
    await clients
    assert {key for key in load.answers_by_key if COMPLETED in load.answers_by_key[key]} == set(load.keys)
    assert await bank.balance(receiver) == TRANSFERS, "each paid once"
    answers = [answer for all_of_one in load.answers_by_key.values() for answer in all_of_one]
    # On a busy machine the worker may have had no request under way in the moment of its end.
    assert set(answers) <= {COMPLETED, "no answer"}
    assert await asyncio.to_thread(wait_until, lambda: len(workers_of(two_workers)) == 2, 30)
    assert other in workers_of(two_workers)
    assert killed not in workers_of(two_workers)
    assert await verify(settings) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_a_relay_that_ends_under_load_loses_no_event_and_delays_no_transfer(
    service: Service, relay: Service, settings: Settings, bank: Bank, number: signal.Signals
) -> None:
    sender = await bank.wallet(await bank.viewer("alice"), balance="1000.00")
    receiver = await bank.wallet(await bank.viewer("bob"))
    alices = {"Authorization": f"Bearer {mint_token('alice', settings)}"}
    loads = [Load(service.url, alices, sender, receiver, transfers) for _ in range(2) for transfers in (TRANSFERS // 2, 1)]
    expected = sum(load.transfers for load in loads)
    began = asyncio.Event()
    bobs = {"Authorization": f"Bearer {mint_token('bob', settings)}"}
    watch = asyncio.create_task(follow(service, bobs, receiver, expected, began))
    await began.wait()
    async with httpx.AsyncClient(base_url=service.url, timeout=20) as http:
        for load, one_more in (loads[:2], loads[2:]):
            clients = asyncio.create_task(load.run())
            while load.completed < load.transfers // 4:
                assert not clients.done(), "the clients are through before the relay was ended"
                await asyncio.sleep(0.01)
            await asyncio.to_thread(relay.end, number)
            # Its event waits for the next relay, however fast the others were.
            await one_more.run()
            # The API stays ready without a relay and reports the growing outbox.
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "ready")
            assert ready.json()["outbox"]["pending"] > 0
            await asyncio.to_thread(relay.start)
            await clients
        assert await watch == list(range(1, expected + 1)), "each once, and in order"
        left = -1
        for _ in range(100):
            left = (await http.get("/readyz")).json()["outbox"]["pending"]
            if not left:
                break
            await asyncio.sleep(0.1)
        assert left == 0
    assert {answer for load in loads for answers in load.answers_by_key.values() for answer in answers} == {COMPLETED}, (
        "nobody noticed"
    )
    assert await verify(settings) == []
