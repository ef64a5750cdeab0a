"""The projector and `paycore rebuild` as processes that are killed with signal 9, beside a relay and payments."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest

from app.db.engine import connect
from app.db.pool import Database
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank
from tests.forks import Command, start
from tests.processes.test_cli import paycore, servers_of
from tests.servers import free_port
from tests.waiting import START_SECONDS


async def until_projected(settings: Settings) -> None:
    """Wait until all events have a position and the live model has seen them."""
    connection = await connect(settings)
    try:
        async with asyncio.timeout(START_SECONDS * 2):
            while await connection.fetchval(  # noqa: ASYNC110 - other processes
                "SELECT EXISTS (SELECT FROM outbox) OR (SELECT max(last_position) FROM event_chunks) IS DISTINCT FROM"
                " (SELECT position FROM read_models WHERE is_live)"
            ):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


@pytest.mark.slow
async def test_workers_and_rebuilds_are_killed_and_nothing_is_missing_or_twice(
    settings: Settings, engine: Database, bank: Bank, tmp_path: Path
) -> None:
    chance = random.Random(11)
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    one, other = await bank.wallet(alice, balance="1000.00"), await bank.wallet(bob, balance="1000.00")
    environment = {**servers_of(settings), "PAYCORE_WORKER_PORT": str(free_port())}
    with (tmp_path / "log").open("wb") as log:

        def run(command: str) -> Command:
            return start(command, environment=environment, output=log)

        running = {name: run(name) for name in ("relay", "worker", "rebuild")}
        try:
            for number in range(240):
                assert not (await bank.pay(alice, one, other, "0.01")).refusals
                assert not (await bank.pay(bob, other, one, "0.02")).refusals
                if number % 30 == 29:
                    await asyncio.sleep(chance.random())
                    name = chance.choice(["worker", "worker", "rebuild"])
                    running[name].kill()
                    running[name].wait(20)
                    running[name] = run(name)
            await until_projected(settings)
            running["rebuild"].wait(60)
        finally:
            for process in running.values():
                process.kill()
                process.wait(20)
    assert await verify(settings) == []
    said = paycore("rebuild", settings=settings)
    assert said.returncode == 0, said.stderr
    assert re.search(r"The rebuilt read models are live, at position [0-9]+\.", said.stdout)
    assert await verify(settings) == []
