"""The TypeScript clients that other teams copy, against a running service. Its unit tests run in `make check`."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import ids
from app.access.tokens import mint_token
from app.db.pool import Database
from app.demo.node import is_new_enough
from app.http.dashboard import FRONTEND
from app.settings import Settings
from tests.api.conftest import Api
from tests.forks import Command, start
from tests.live_world import World, living_world, running_relay
from tests.node import ready_node
from tests.processes.test_cli import servers_of
from tests.waiting import START_SECONDS, soon


class Watcher:
    """A Node process that runs the client, and the lines that it printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    def printed(self, name: str) -> list[Any]:
        """The values that it printed under this name."""
        return [line[name] for line in self.lines if name in line]

    def entries(self) -> list[dict[str, Any]]:
        return [update["entry"] for update in self.printed("update") if update["kind"] == "ENTRY"]

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def stop(self) -> int:
        """Stop the subscription and return the process's exit code: it ends once nothing keeps it running."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(20):
            return await self.process.wait()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client and the scripts that the tests run, compiled to JavaScript. `make check` checks their types."""
    directory = tmp_path_factory.mktemp("typescript-client")
    ready_node().run("typescript/bin/tsc", "--noEmit", "false", "--noCheck", "--outDir", directory)
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "node_modules").symlink_to(FRONTEND / "node_modules")
    return directory / "tests"


@asynccontextmanager
async def watching(script: Path, url: str, wallet_id: str, token: str) -> AsyncIterator[Watcher]:
    node = ready_node()
    process = await asyncio.create_subprocess_exec(
        node.executable, script, f"{url.replace('http', 'ws', 1)}/graphql", wallet_id,
        env=node.environment(PAYCORE_TOKEN=token), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    watcher = Watcher(process)
    reading = asyncio.create_task(watcher.read())
    try:
        yield watcher
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@dataclass
class Payer:
    """Runs `pay.ts`, each time as a page that was loaded anew with what the last one stored."""

    script: Path
    api: Api
    sender: str
    receiver: str
    file: Path

    async def run(self, token: str, lost: int = 0) -> list[dict[str, Any]]:
        """The states that the payment went through, if so many answers are lost."""
        node = ready_node()
        process = await asyncio.create_subprocess_exec(
            node.executable, self.script, f"{self.api.url}/graphql", self.sender, self.receiver, self.file, str(lost),
            env=node.environment(PAYCORE_TOKEN=token), stdout=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        assert process.returncode == 0
        return [json.loads(line) for line in out.splitlines()]

    async def balances(self) -> tuple[int, int]:
        return await self.api.bank.balance(self.sender), await self.api.bank.balance(self.receiver)


@pytest.fixture
async def payer(api: Api, compiled: Path, tmp_path: Path) -> Payer:
    return Payer(
        compiled / "pay.js", api, await api.wallet("alice", balance="10.00"), await api.wallet("bob"), tmp_path / "open.json"
    )


@contextmanager
def api_process(settings: Settings, port: int) -> Iterator[Command]:
    process = start("serve", "--port", str(port), environment=servers_of(settings))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def pay_until(enough: asyncio.Event, world: World) -> int:
    """alice pays bob until the event is set; return how many payments were made.

    Slower after the first hundred: processes that take minutes to start would leave thousands of entries to print.
    """
    paid = 0
    while not enough.is_set():
        await world.pay(5)
        paid += 5
        await asyncio.sleep(0.1 if paid < 100 else 1)
    return paid


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v20.19.0\n", True), ("v22.12.1", True), ("v26.0.0", True),
     ("v20.18.9", False), ("v21.7.3", False), ("v22.11.0", False), ("v18.20.0", False), ("", False), ("nonsense", False)],
)  # fmt: skip
def test_an_old_node_of_the_machine_is_not_used(version: str, expected: bool) -> None:
    assert is_new_enough(version) is expected


def test_the_lock_of_npm_names_no_registry() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if "resolved" in package] == []


@pytest.mark.slow
async def test_the_client_gets_every_entry_once_and_in_order_while_the_api_is_killed_and_restarted(
    settings: Settings, engine: Database, compiled: Path, free_port: int
) -> None:
    token = mint_token("bob", settings)
    async with living_world(engine, settings) as world, running_relay(settings):
        wallet_id = ids.encode("wal", world.bob_wallet)
        async with (
            watching(compiled / "watch.js", f"http://127.0.0.1:{free_port}", wallet_id, token) as watcher,
            asyncio.TaskGroup() as tasks,
        ):

            def lives(times: int) -> bool:
                return watcher.printed("state").count("live") >= times

            with api_process(settings, free_port) as first:
                await soon(lambda: lives(1), START_SECONDS)
                enough = asyncio.Event()
                paying = tasks.create_task(pay_until(enough, world))
                await soon(lambda: len(watcher.entries()) > 20, START_SECONDS)
                first.kill()
                await asyncio.to_thread(first.wait, 30)
            with api_process(settings, free_port) as second:
                await soon(lambda: lives(2), START_SECONDS)
                second.send_signal(signal.SIGTERM)
                await asyncio.to_thread(second.wait, 30)
            with api_process(settings, free_port):
                await soon(lambda: lives(3), START_SECONDS)
                enough.set()
                paid = await paying
                await soon(lambda: len(watcher.entries()) >= paid, START_SECONDS)
                assert await watcher.stop() == 0
        entries = watcher.entries()
        assert [entry["sequence"] for entry in entries] == [str(number) for number in range(1, paid + 1)]
        assert [entry["balanceAfter"]["amount"] for entry in entries] == [f"{n // 100}.{n % 100:02}" for n in range(1, paid + 1)]
        states = watcher.printed("state")
        assert states[-3:] == ["connecting", "catching-up", "live"], "stopping changes no state"
        assert watcher.printed("asked").count("token") == states.count("connecting") >= 3


async def test_the_client_ends_if_the_wallet_belongs_to_another_user(api: Api, compiled: Path) -> None:
    wallet_id = await api.wallet("bob")
    async with watching(compiled / "watch.js", api.url, wallet_id, api.token("carol")) as watcher:
        await watcher.process.wait()
    assert watcher.lines[-1] == {"end": "refused", "code": "NOT_FOUND"}


async def test_the_client_requests_a_second_token_if_the_first_is_refused_and_then_ends(api: Api, compiled: Path) -> None:
    wallet_id = await api.wallet("bob")
    async with watching(compiled / "watch.js", api.url, wallet_id, "nonsense") as watcher:
        await watcher.process.wait()
    assert watcher.lines[-1]["end"] == "unauthenticated"
    assert watcher.lines[-1]["code"] in {"4401", "4403"}
    assert len(watcher.printed("asked")) == 2


async def test_a_payment_whose_answers_are_lost_is_made_once_over_restarts_and_a_refused_token(payer: Payer) -> None:
    token = payer.api.token("alice")
    lost = await payer.run(token, lost=2)
    assert [state["phase"] for state in lost] == ["sending", "unknown", "sending", "unknown"]
    refused = await payer.run("nonsense")
    assert [state["phase"] for state in refused] == ["sending", "unknown"]
    assert refused[-1]["trouble"]["code"] == "UNAUTHENTICATED"
    settled = await payer.run(token)
    assert [state["phase"] for state in settled] == ["sending", "settled"]
    assert settled[-1]["replayed"]
    assert len({state["input"]["idempotencyKey"] for state in lost + refused + settled}) == 1
    assert await payer.balances() == (900, 100)
    assert not payer.file.exists()


async def test_a_refused_payment_has_the_services_words_and_its_record(payer: Payer) -> None:
    payer.sender, payer.receiver = payer.receiver, payer.sender
    (*_, refused) = await payer.run(payer.api.token("bob"))
    assert refused["phase"] == "refused"
    assert [refusal["code"] for refusal in refused["refusals"]] == ["INSUFFICIENT_FUNDS"]
    assert refused["transaction"]["status"] == "FAILED"


async def test_a_payment_without_a_valid_token_is_not_kept(payer: Payer) -> None:
    (*_, stopped) = await payer.run("nonsense")
    assert (stopped["phase"], stopped["trouble"]["code"]) == ("draft", "UNAUTHENTICATED")
    assert not payer.file.exists()


@pytest.mark.slow
async def test_graphql_ws_without_the_client_reconnects_and_misses_nothing(
    settings: Settings, engine: Database, compiled: Path, free_port: int
) -> None:
    url, token = f"http://127.0.0.1:{free_port}", mint_token("bob", settings)
    async with (
        living_world(engine, settings) as world,
        running_relay(settings),
        watching(compiled / "plain.js", url, ids.encode("wal", world.bob_wallet), token) as watcher,
    ):

        async def received(snapshots: int, entries: int) -> None:
            await soon(lambda: [u["kind"] for u in watcher.printed("update")].count("SNAPSHOT") == snapshots, START_SECONDS)
            await soon(lambda: len(watcher.entries()) == entries, START_SECONDS)

        for restarts, end in enumerate((signal.SIGTERM, signal.SIGKILL, None)):
            with api_process(settings, free_port) as api:
                await received(snapshots=restarts + 1, entries=10 * restarts)
                await world.pay(5)
                await received(snapshots=restarts + 1, entries=10 * restarts + 5)
                if end is None:
                    assert await watcher.stop() == 0
                else:
                    api.send_signal(end)
                    await asyncio.to_thread(api.wait, 30)
                    await world.pay(5)
        assert [entry["sequence"] for entry in watcher.entries()] == [str(number) for number in range(1, 26)]
        assert not watcher.printed("failed") + watcher.printed("errors")
        assert 1012 in watcher.printed("closed"), "a restarting service closes with 1012"
