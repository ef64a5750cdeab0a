"""Statements under `kill -9`, and of a wallet with many entries: every file is whole, and memory is bounded."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.clock import system_clock
from app.db import statement_file_sql
from app.db.currency_sql import load_currencies
from app.db.engine import create_engine, dispose
from app.db.pool import Database, driver_connection
from app.db.statement_file_sql import LeaseLost
from app.ids import new_transaction_ids
from app.processes.statement_maker import StatementMaker
from app.records import AccountStatement
from app.services.statements import making
from app.services.statements.creating import StatementInput, create
from app.services.statements.files import writers
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key, uuid_of

ENTRIES = 12_000

# Transfers from a wallet to another and back, in SQL: the entries are those of the service, and their ids rise with time.
FILL = """
INSERT INTO transactions (id, initiator_id, sender_wallet_id, receiver_wallet_id, amount, created_at, completed_at, type, status,
    idempotency_key, currency, description)
SELECT id, :owner, :mine, :theirs, 1, now(), now(), 'TRANSFER', 'COMPLETED', 'fill-' || id, 'USD', 'Coffee ' || n
FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS made (id, n)
"""
POST = """
INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
SELECT t.id, side.leg, side.wallet, w.sequence + row_number() OVER (PARTITION BY side.wallet ORDER BY t.id),
       side.amount, w.balance + side.amount * row_number() OVER (PARTITION BY side.wallet ORDER BY t.id), t.completed_at
FROM transactions t
CROSS JOIN LATERAL (VALUES (0, t.sender_wallet_id, -t.amount), (1, t.receiver_wallet_id, t.amount)) AS side (leg, wallet, amount)
JOIN wallets w ON w.id = side.wallet
WHERE t.id = ANY(CAST(:ids AS uuid[]))
"""


@pytest.fixture
async def bank(engine: Database, settings: Settings) -> Any:
    currencies = await load_currencies(engine)
    ledger = make_ledger(engine, settings, currencies)
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    await ledger.stop()


async def large_statement(bank: Bank, settings: Settings, count: int) -> AccountStatement:
    """A statement of a wallet with so many entries, PREPARING."""
    alice = await bank.viewer("alice")
    mine, theirs = await bank.wallet(alice, balance="9000000.00"), await bank.wallet(await bank.viewer("bob"))
    async with bank.engine.begin() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        ids = {"owner": alice.user_id, "mine": uuid_of(mine), "theirs": uuid_of(theirs)}
        for first in range(0, count, 4000):
            made = new_transaction_ids(system_clock(), min(4000, count - first))
            await connection.execute(text(FILL), {"ids": made, **ids})
            await connection.execute(text(POST), {"ids": made})
    now = settings.model_copy(update={"statement_delay_seconds": 0.0})
    details = StatementInput(new_key(), mine, datetime(2000, 1, 1, tzinfo=UTC), system_clock())
    result = await create(bank.engine, now, alice, details, clock=system_clock)
    assert result.statement is not None, result.refusals
    assert result.statement.entry_count == count + 1
    return result.statement


async def stored(bank: Bank) -> tuple[str, dict[str, str]]:
    """The status of the one statement, and the hashes of its files as they are stored."""
    async with bank.engine.connect() as connection:
        status = str((await connection.execute(text("SELECT status FROM statements"))).scalar_one())
        files = {row.format: row.sha256.hex() for row in await connection.execute(text("SELECT * FROM statement_files"))}
        digests = {name: hashlib.sha256() for name in files}
        parts = text("SELECT format, content FROM statement_parts ORDER BY format, number")
        for row in await connection.execute(parts) if files else ():
            digests[row.format].update(zlib.decompress(row.content))
    assert {name: digest.hexdigest() for name, digest in digests.items()} == files
    return status.rpartition(".")[2], files


async def hashes_of(bank: Bank, statement: AccountStatement) -> dict[str, str]:
    """The hashes of its files, made by this process and stored nowhere."""
    every = UUID(int=0), UUID(int=2**128 - 1)
    covered = statement.first_sequence - 1, statement.last_sequence
    sums = await statement_file_sql.sums(bank.engine, statement.wallet_id, *covered, every)
    heading = await making._heading(bank.engine, bank.currencies, statement, sums)
    files = writers(statement.id, heading)
    for one in files:
        one.begin()
    async for lines in making._chunks(bank.engine, statement, heading.exponent):
        for one in files:
            one.add(lines)
    for one in files:
        one.end()
    return {one.file().format.value: (one.file().sha256 or b"").hex() for one in files}


async def test_a_large_statement_is_made_in_bounded_memory(bank: Bank, settings: Settings) -> None:
    statement = await large_statement(bank, settings, ENTRIES)
    lease = await making.take(bank.engine)
    assert lease is not None
    tracemalloc.start()
    try:
        assert await making.make(bank.engine, bank.currencies, lease, system_clock)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    status, files = await stored(bank)
    assert (status, len(files)) == ("READY", 5)
    assert statement.entry_count > 2 * making.CHUNK
    # Its files have more than 15 MB: a chunk, its lines and a part of each file are in memory at once.
    assert peak < 30_000_000, peak


@pytest.mark.heavy
async def test_files_are_the_same_after_a_kill_in_the_middle(
    bank: Bank, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = await hashes_of(bank, await large_statement(bank, settings, ENTRIES))
    monkeypatch.setattr(making, "LEASE_SECONDS", 1.0)
    code = (
        "import asyncio, os\n"
        "from app.clock import system_clock\n"
        "from app.db.engine import create_engine\n"
        "from app.processes.statement_maker import StatementMaker\n"
        "from app.services.statements import making\n"
        "from app.settings import DatabaseSettings\n"
        "making.LEASE_SECONDS = 1.0\n"
        "asyncio.run(StatementMaker(create_engine(DatabaseSettings()), system_clock).make_next(asyncio.Event()))\n"
    )
    assert settings.database_url is not None
    environment = {**os.environ, "PAYCORE_DATABASE_URL": settings.database_url.get_secret_value(), "PAYCORE_ENVIRONMENT": "test"}
    kills = 0
    for parts in (1, 4, 9):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment)
        while process.returncode is None and await bank.count("statement_parts") < parts:  # noqa: ASYNC110 - in a process
            await asyncio.sleep(0.01)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        await process.wait()
        await asyncio.sleep(1.1)
    assert kills
    assert (await stored(bank))[0] == "PREPARING"
    maker = StatementMaker(bank.engine, system_clock)
    while (await stored(bank))[0] == "PREPARING":
        await maker.make_next(asyncio.Event())
    status, after_kills = await stored(bank)
    assert (status, after_kills) == ("READY", undisturbed)
    # What was filled in has no events: only findings about statements count.
    assert [finding for finding in await verify(settings) if "tatement" in finding] == []


async def test_a_worker_that_has_lost_its_lease_writes_nothing(
    bank: Bank, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await large_statement(bank, settings, 10)
    monkeypatch.setattr(making, "LEASE_SECONDS", 0.0)
    slow = await making.take(bank.engine)
    monkeypatch.undo()
    quick = await making.take(bank.engine)
    assert slow is not None
    assert quick is not None
    assert (quick.statement.id, quick.attempts) == (slow.statement.id, 2)
    assert await making.take(bank.engine) is None
    with pytest.raises(LeaseLost):
        await making.make(bank.engine, bank.currencies, slow, system_clock)
    assert await making.make(bank.engine, bank.currencies, quick, system_clock)
    async with driver_connection(bank.engine) as connection:
        with pytest.raises(LeaseLost):
            await statement_file_sql.fail(connection, slow, "late", system_clock())
    assert (await stored(bank))[0] == "READY"


async def test_several_workers_make_each_statement_once(bank: Bank, settings: Settings) -> None:
    alice = await bank.viewer("alice")
    now = settings.model_copy(update={"statement_delay_seconds": 0.0})
    for _ in range(8):
        wallet = await bank.wallet(alice, balance="1.00")
        details = StatementInput(new_key(), wallet, datetime(2000, 1, 1, tzinfo=UTC), system_clock())
        assert (await create(bank.engine, now, alice, details, clock=system_clock)).statement is not None

    async def work() -> None:
        engine = create_engine(settings)
        maker = StatementMaker(engine, system_clock)
        while await maker.make_next(asyncio.Event()) == 0:
            pass
        await dispose(engine)

    await asyncio.gather(*(work() for _ in range(3)))
    async with bank.engine.connect() as connection:
        rows = list(await connection.execute(text("SELECT status::text, attempts FROM statements")))
    assert rows == [("READY", 1)] * 8


async def test_a_statement_that_workers_die_of_fails_in_the_end(bank: Bank, settings: Settings) -> None:
    await large_statement(bank, settings, 10)
    async with bank.engine.begin() as connection:
        await connection.execute(text("UPDATE statements SET attempts = :attempts"), {"attempts": making.MOST_ATTEMPTS})
    await StatementMaker(bank.engine, system_clock).make_next(asyncio.Event())
    async with bank.engine.connect() as connection:
        (row,) = await connection.execute(text("SELECT status::text, problem FROM statements"))
    assert row == ("FAILED", "It could not be made in 10 attempts.")


async def test_a_worker_that_stops_gives_its_statement_back(bank: Bank, settings: Settings) -> None:
    await large_statement(bank, settings, ENTRIES)
    stop = asyncio.Event()
    task = asyncio.create_task(StatementMaker(bank.engine, system_clock).make_next(stop))
    while not await bank.count("statement_parts"):  # noqa: ASYNC110 - in a thread
        await asyncio.sleep(0.01)
    stop.set()
    await task
    async with bank.engine.connect() as connection:
        (row,) = await connection.execute(text("SELECT status::text, lease, leased_until FROM statements"))
    assert row == ("PREPARING", None, None)
