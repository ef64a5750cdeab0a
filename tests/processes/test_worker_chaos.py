"""Thousands of deliveries while workers, relay, API and PostgreSQL are killed at random: each endpoint gets all, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app import ids
from app.access.viewer import Viewer
from app.db.pool import Database
from app.services.verification import verify
from tests.bank import Bank
from tests.forks import Command, start
from tests.processes.test_worker import environment, in_order_by_wallet, until_ready, watch
from tests.servers import Servers
from tests.waiting import soon
from tests.webhook_receiver import Message, receiving

__all__ = ["environment"]

Run = Callable[[str], Command]
PAYMENTS, WALLETS, AT_ONCE, BETWEEN_KILLS = 3000, 16, 25, 250


async def settled(bank: Bank, payer: Viewer, paying: str, wallets: list[str]) -> int:
    """Pay each of these wallets at once. Returns how many payments are known to have settled."""
    results = await asyncio.gather(*(bank.pay(payer, paying, wallet, "0.01") for wallet in wallets), return_exceptions=True)
    return sum(not isinstance(one, BaseException) and one.transaction is not None for one in results)


async def last_sequences(engine: Database, wallets: list[str]) -> dict[str, int]:
    """What the ledger says, also of payments whose answer was lost."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT id, sequence FROM wallets WHERE sequence > 0"))
        return {name: row.sequence for row in rows if (name := ids.encode("wal", row.id)) in wallets}


async def kill_one(chance: random.Random, servers: Servers, killed: dict[str, Command], run: Run) -> None:
    name = chance.choice(["worker", "worker", "second worker", "relay", "serve", "postgres"])
    if name == "postgres":
        servers.kill_postgres()
        await asyncio.sleep(chance.random())
        servers.start_postgres()
    else:
        killed[name].kill()
        await asyncio.to_thread(killed[name].wait, 20)
        killed[name] = run(name)


@pytest.fixture
async def processes(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[tuple[dict[str, Command], Run]]:
    """API, relay and two workers, and what starts one of them again."""
    environment["PAYCORE_WEBHOOKS_PER_USER"] = "50"
    with (tmp_path / "log").open("wb") as log:

        def run(name: str) -> Command:
            more = {"PAYCORE_WORKER_PORT": "0"} if name == "second worker" else {}
            return start(name.removeprefix("second "), environment={**environment, **more}, output=log)

        running = {name: run(name) for name in ("serve", "relay", "worker", "second worker")}
        try:
            yield running, run
        finally:
            for process in running.values():
                process.kill()
                process.wait(20)


async def pay_and_kill(
    bank: Bank, wallets: list[str], chance: random.Random, servers: Servers, processes: tuple[dict[str, Command], Run]
) -> None:
    alice = await bank.viewer("alice")
    paying = await bank.wallet(alice, balance="1000.00")
    paid = 0
    while paid < PAYMENTS:
        until = paid + BETWEEN_KILLS
        async with asyncio.timeout(120):
            while paid < until:
                paid += await settled(bank, alice, paying, chance.choices(wallets, k=AT_ONCE))
        await kill_one(chance, servers, *processes)
        await asyncio.sleep(2 * chance.random())


@pytest.mark.heavy
@pytest.mark.timeout(400)
async def test_thousands_of_deliveries_survive_the_death_of_every_process(
    bank: Bank,
    engine: Database,
    clean_servers: Servers,
    processes: tuple[dict[str, Command], Run],
    request: pytest.FixtureRequest,
) -> None:
    settings, environment = request.getfixturevalue("settings"), request.getfixturevalue("environment")
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure
    chance = random.Random(seed)
    bob = await bank.viewer("bob")
    wallets = [await bank.wallet(bob) for _ in range(WALLETS)]

    def flaky(_: Message) -> int | None:
        return chance.choices([200, 500, None], [0.99, 0.008, 0.002])[0]

    async with receiving() as quick, receiving(flaky) as failing, receiving() as slow:
        slow.delay = 0.05
        await until_ready(environment["PAYCORE_PORT"])
        watched = {quick.url: wallets, failing.url: wallets[:8], slow.url: wallets[8:12]}
        for url, chosen in watched.items():
            for wallet in chosen:
                await watch(environment, settings, "bob", wallet, url)
        await pay_and_kill(bank, wallets, chance, clean_servers, processes)
        ends = await last_sequences(engine, wallets)
        for endpoint in (quick, slow, failing):
            expected = {wallet: list(range(1, ends[wallet] + 1)) for wallet in watched[endpoint.url]}
            count = sum(map(len, expected.values()))
            await soon(lambda one=endpoint, wanted=count: len({m.id for m in one.accepted}) >= wanted, 150)  # type: ignore[misc] # of this round
            assert in_order_by_wallet(endpoint) == expected
            assert len({message.id for message in endpoint.messages}) == count
        async with asyncio.timeout(60):
            while (await _count(engine)) > 0:  # noqa: ASYNC110 - rows of other processes
                await asyncio.sleep(0.1)
        assert await verify(settings) == []


async def _count(engine: Database) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one())
