"""Live updates under load: API and relay processes, payers who retry, and watchers who record every update."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import websockets
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect

from app.access.tokens import mint_token
from app.db.currency_sql import load_currencies
from app.db.pool import Database
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key, uuid_of
from tests.forks import Command, start
from tests.live_world import NEVER
from tests.processes.test_cli import servers_of
from tests.transport_ws import SUBPROTOCOL
from tests.waiting import START_SECONDS, soon

WATCH = """subscription($wallet: ID!, $after: String) { walletUpdated(walletId: $wallet, after: $after) {
  kind cursor wallet { sequence balance { amount } } entry { sequence balanceAfter { amount } }
} }"""
PAY = """mutation($transfers: [TransferInput!]!) { transferBatch(input: {transfers: $transfers}) {
  results { transaction { status } userErrors { code } } userErrors { code }
} }"""
RETRYABLE = {1001, 1006, 1011, 1012, 1013}
"""Close codes after which a client may reconnect: going away, cut, too slow, restarted, try again later."""

Entries = list[tuple[int, int]]
"""Sequence and balance in minor units, of one wallet."""


class Processes:
    """Processes on one database and one Redis. Their comparison of subscriptions with the database is off."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._environment = {**servers_of(settings), "PAYCORE_LIVE_CHECK_SECONDS": str(NEVER)}
        self._log = log
        self._running: list[Command] = []

    async def api(self, port: int, **more: str) -> Command:
        """Start an API and wait until it is ready."""
        process = self._start("serve", "--port", str(port), **more)
        async with httpx.AsyncClient() as http, asyncio.timeout(START_SECONDS):
            while True:
                assert process.poll() is None, self._log.read_text()
                with suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                        return process
                await asyncio.sleep(0.02)

    def relay(self, **more: str) -> Command:
        """Start a relay without waiting for it."""
        return self._start("relay", **more)

    async def end(self, process: Command, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the signal and wait for the end."""
        process.send_signal(number)
        await asyncio.to_thread(process.wait, 60)
        self._running.remove(process)

    def close(self) -> None:
        """End all processes."""
        for process in self._running:
            process.kill()
            process.wait(30)

    def _start(self, *arguments: str, **more: str) -> Command:
        with self._log.open("ab") as log:
            process = start(*arguments, environment=self._environment | more, output=log)
        self._running.append(process)
        return process


@contextmanager
def processes(settings: Settings) -> Iterator[Processes]:
    """Processes that are ended after the block."""
    running = Processes(settings, settings.home / "paycore.log")
    try:
        yield running
    finally:
        running.close()


@dataclass(frozen=True)
class Member:
    """A user with a token and a wallet, whose first entry is a deposit of 100,000.00."""

    token: str
    wallet: str


@dataclass
class Crowd:
    """Members who pay each other over HTTP and watch their wallets over WebSockets, through one API."""

    settings: Settings
    engine: Database
    http: httpx.AsyncClient
    processes: Processes
    port: int
    members: Sequence[Member]
    paid: int = 0
    """The number of transfers answered as COMPLETED."""

    @property
    def url(self) -> str:
        """The URL of their API."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, **more: str) -> Command:
        """Start their API, with `more` as extra settings, and wait until it is ready."""
        return await self.processes.api(self.port, **more)

    async def pay(self, payer: Member, payees: Sequence[Member]) -> None:
        """Pay a cent to each payee in one batch, sent with the same keys until it is answered."""
        transfers = [
            {"idempotencyKey": new_key(), "senderWalletId": payer.wallet, "receiverWalletId": payee.wallet,
             "amount": {"amount": "0.01", "currency": "USD"}}
            for payee in payees
        ]  # fmt: skip
        async with asyncio.timeout(60):
            while not await self._paid(payer, transfers):  # noqa: ASYNC110 - the API is another process
                await asyncio.sleep(0.05)
        self.paid += len(transfers)

    async def _paid(self, payer: Member, transfers: list[dict[str, Any]]) -> bool:
        request = {"query": PAY, "variables": {"transfers": transfers}}
        try:
            response = await self.http.post(
                f"{self.url}/graphql", json=request, headers={"Authorization": f"Bearer {payer.token}"}
            )
        except httpx.TransportError:
            return False
        answer = response.json()
        if any(error["extensions"].get("retryable") for error in answer.get("errors", [])):
            return False
        assert "errors" not in answer, answer
        batch = answer["data"]["transferBatch"]
        assert [result["transaction"]["status"] for result in batch["results"]] == ["COMPLETED"] * len(transfers), batch
        return True

    async def pay_each_other(self, transfers: int, *, batch: int = 25, at_once: int = 2) -> None:
        """Make `transfers` random payments; a multiple of `batch`."""
        payers = list(self.members)
        random.shuffle(payers)
        turns = itertools.islice(itertools.cycle(payers), transfers // batch)

        async def pay_in_turn() -> None:
            for payer in turns:
                payees = [member for member in self.members if member is not payer]
                await self.pay(payer, random.choices(payees, k=batch))

        await asyncio.gather(*(pay_in_turn() for _ in range(at_once)))

    async def entries(self, member: Member) -> Entries:
        """All entries of a wallet in the database, after a check that they are correct."""
        parameters = {"id": uuid_of(member.wallet)}
        async with self.engine.connect() as connection:
            rows = await connection.execute(text(_ENTRIES), parameters)
            entries = [(row.sequence, row.balance_after) for row in rows]
            wallet = (await connection.execute(text(_POSITION), parameters)).one()
        assert [sequence for sequence, _ in entries] == list(range(1, len(entries) + 1))
        assert entries[-1] == tuple(wallet)
        return entries

    async def until_all_received(self, watchers: Sequence[Watcher], seconds: float = 60) -> None:
        """Assert that each watcher receives every entry since its snapshot, once and in order.

        Waits as long as entries arrive, however slow the machine is, and `seconds` after the latest one.
        """
        truth = {member.wallet: await self.entries(member) for member in {watcher.member for watcher in watchers}}

        def missing() -> int:
            return sum(max(len(truth[watcher.member.wallet]) - watcher.sequence, 0) for watcher in watchers)

        with suppress(TimeoutError):
            while before := missing():
                await soon(partial(_is_below, before, missing), seconds)
        for watcher in watchers:
            assert watcher.broken is None, watcher.broken
            expected = truth[watcher.member.wallet][watcher.first :]
            wrong = next((place for place in zip(watcher.received, expected, strict=False) if place[0] != place[1]), None)
            assert wrong is None, f"received and expected: {wrong}"
            assert len(watcher.received) == len(expected), f"received {len(watcher.received)} of {len(expected)} entries"


def _is_below(before: int, current: Callable[[], int]) -> bool:
    return current() < before


_ENTRIES = "SELECT sequence, balance_after FROM ledger_entries WHERE wallet_id = :id ORDER BY sequence"
_POSITION = "SELECT sequence, balance FROM wallets WHERE id = :id"


@dataclass
class Watcher:
    """A client that resumes from its latest cursor whenever its WebSocket ends, and records every entry."""

    url: str
    member: Member
    document: str = WATCH
    receive_buffer: int | None = None
    """SO_RCVBUF, to limit what the kernel buffers for a client that does not read."""
    first: int = 0
    """The sequence of its first snapshot."""
    received: Entries = field(default_factory=list)
    cursor: str | None = None
    sockets: int = 0
    codes: list[int] = field(default_factory=list)
    """The close codes of its WebSockets."""
    broken: BaseException | None = None
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    """While this is cleared, it reads nothing."""

    def __post_init__(self) -> None:
        self.reading.set()

    @property
    def sequence(self) -> int:
        """The sequence of the latest entry received."""
        return self.received[-1][0] if self.received else self.first

    async def run(self) -> None:
        """Run until cancelled, or until it receives a wrong update."""
        try:
            while True:
                with suppress(OSError, TimeoutError, websockets.InvalidHandshake, websockets.InvalidMessage):
                    async with self._connection() as connection:
                        await self._follow(connection)
                await asyncio.sleep(random.uniform(0.02, 0.2))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to fail with it
            self.broken = error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[ClientConnection]:
        address = urlsplit(self.url)
        with socket.socket() as raw:
            if self.receive_buffer is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
            raw.setblocking(False)
            await asyncio.get_running_loop().sock_connect(raw, (address.hostname, address.port))
            # A queue of one and no pings: nothing is read ahead.
            async with connect(
                f"{self.url.replace('http', 'ws', 1)}/graphql", sock=raw, subprotocols=[SUBPROTOCOL], compression=None,
                max_queue=1, ping_interval=None, close_timeout=1,
            ) as connection:  # fmt: skip
                yield connection

    async def _follow(self, connection: ClientConnection) -> None:
        self.sockets += 1
        variables = {"wallet": self.member.wallet} | ({} if self.cursor is None else {"after": self.cursor})
        init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {self.member.token}"}}
        subscribe = {"id": "1", "type": "subscribe", "payload": {"query": self.document, "variables": variables}}
        try:
            await connection.send(json.dumps(init))
            assert json.loads(await connection.recv()) == {"type": "connection_ack"}
            await connection.send(json.dumps(subscribe))
            while True:
                await self.reading.wait()
                message = json.loads(await connection.recv())
                if message["type"] == "complete":
                    return
                self._take(message)
        except websockets.ConnectionClosed:
            self.codes.append(connection.close_code or 0)

    def _take(self, message: dict[str, Any]) -> None:
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        update = message["payload"]["data"]["walletUpdated"]
        sequence, balance = int(update["wallet"]["sequence"]), _minor(update["wallet"]["balance"])
        if update["kind"] == "SNAPSHOT":
            if self.cursor is None:
                self.first = sequence
            assert sequence == self.sequence, "a snapshot follows the missed entries at once"
        if update["kind"] == "ENTRY":
            received = int(update["entry"]["sequence"]), _minor(update["entry"]["balanceAfter"])
            self.received.append(received)
            assert sequence > received[0] or (sequence, balance) == received, "the wallet is never older than the entry"
        self.cursor = update["cursor"]


def _minor(money: dict[str, str]) -> int:
    return int(money["amount"].replace(".", ""))


@asynccontextmanager
async def crowd_of(count: int, engine: Database, settings: Settings, port: int) -> AsyncIterator[Crowd]:
    """`count` members whose API listens on this port. Their processes are ended after the block."""
    ledger = make_ledger(engine, settings, await load_currencies(engine))
    await ledger.start()
    try:
        bank = Bank(engine, ledger, await load_currencies(engine))
        names = [f"member-{number}" for number in range(count)]
        wallets = [await bank.wallet(await bank.viewer(name), balance="100000.00") for name in names]
    finally:
        await ledger.stop()
    members = [Member(mint_token(name, settings), wallet) for name, wallet in zip(names, wallets, strict=True)]
    with processes(settings) as running:
        async with httpx.AsyncClient(timeout=15) as http:
            yield Crowd(settings, engine, http, running, port, members)


@asynccontextmanager
async def watching(watchers: Sequence[Watcher]) -> AsyncIterator[None]:
    """Wait until all watchers have their snapshots, and run them within the block."""
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    try:
        await soon(lambda: all(watcher.cursor or watcher.broken for watcher in watchers), 60)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
