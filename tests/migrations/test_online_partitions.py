"""A table with many rows becomes partitioned while transfers run, also those of the release before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.access.viewer import Viewer
from app.db import migrate
from app.db.engine import database_dsn
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank
from tests.invariants.conftest import bank, other_bank, owner

__all__ = ["bank", "other_bank", "owner"]

_ROWS = 300_000
# A long history between two wallets of their own, written as a backup is restored: without triggers.
_HISTORY = """
WITH numbered AS (
    SELECT n, (lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '70008000' || lpad(to_hex(n), 9, '0') || '000')::uuid AS id,
           to_timestamp(1700000000 + n) AS at FROM generate_series(1, {transfers}) n
), made AS (
    INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id, amount,
                              currency, created_at, completed_at)
    SELECT id, $1, 'past-' || n, 'DEPOSIT', 'COMPLETED', $2, $3, 1, 'USD', at, at FROM numbered
)
INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
SELECT id, leg, CASE leg WHEN 0 THEN $2::uuid ELSE $3::uuid END, n, 2 * leg - 1, n * (2 * leg - 1), at
FROM numbered, generate_series(0, 1) leg
"""
_AS_POSTED = """
UPDATE wallets SET sequence = {transfers}, balance = CASE kind WHEN 'USER' THEN {transfers} ELSE -{transfers} END,
    posted_at = to_timestamp(1700000000 + {transfers}), created_at = to_timestamp(1700000000)
WHERE id = ANY ($1)
"""
_MADE_BY_SQL = ("it has no position", "more like the one before")


async def _write_history(owner: asyncpg.Connection, bank: Bank) -> None:
    carol = await bank.viewer("carol")
    theirs = await owner.fetchval(
        "INSERT INTO wallets (id, kind, owner_id, name, currency, posted_at, created_at) "
        "VALUES (gen_random_uuid(), 'USER', $1, 'w', 'USD', now(), now()) RETURNING id",
        carol.user_id,
    )
    source = await owner.fetchval(
        "INSERT INTO wallets (id, kind, name, currency, system_purpose, posted_at, created_at) "
        "VALUES (gen_random_uuid(), 'SYSTEM', 'w', 'USD', 'PAST', now(), now()) RETURNING id"
    )
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(_HISTORY.format(transfers=_ROWS // 2), carol.user_id, source, theirs)
    await owner.execute(_AS_POSTED.format(transfers=_ROWS // 2), [source, theirs])
    await owner.execute("SET session_replication_role = origin")


async def _pay_until(bank: Bank, payer: Viewer, sides: tuple[str, str], stop: asyncio.Event) -> list[float]:
    """Pay to and fro. Returns the seconds that each transfer took; a refused or failed one fails the test."""
    took = []
    sender, receiver = sides
    while not stop.is_set():
        started = time.monotonic()
        paid = await bank.pay(payer, sender, receiver, "0.01")
        assert not paid.refusals, paid.refusals
        took.append(time.monotonic() - started)
        sender, receiver = receiver, sender
    return took


@asynccontextmanager
async def _reader(settings: Settings, seconds: float) -> AsyncIterator[None]:
    """Another session reads the table in a transaction, as a backup does, and ends it after some seconds."""
    connection = await asyncpg.connect(database_dsn(settings))
    reading = connection.transaction()
    await reading.start()
    await connection.fetch("SELECT FROM ledger_entries LIMIT 1")
    ends = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        ends.cancel()
        await connection.close(timeout=5)


@pytest.mark.slow
async def test_transfers_run_all_through_the_migration_of_a_large_table(
    bank: Bank, other_bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    await migrate.downgrade(settings, "0030")
    await _write_history(owner, bank)
    alice = await bank.viewer("alice")
    wallets = [await bank.wallet(alice, balance="10.00") for _ in range(4)]
    stop = asyncio.Event()
    # Two processes that started before the migration, with prepared statements on the table as it was.
    paying = [
        asyncio.create_task(_pay_until(process, alice, sides, stop))
        for process, sides in ((bank, (wallets[0], wallets[1])), (other_bank, (wallets[2], wallets[3])))
    ]
    await asyncio.sleep(0.5)
    async with _reader(settings, 2.0):
        await migrate.upgrade(settings)
    await asyncio.sleep(0.5)
    stop.set()
    took = [await task for task in paying]
    assert min(map(len, took)) > 20
    # The longest wait for the lock is 0.1 s. The rest is for a busy machine.
    assert max(map(max, took)) < 2.0
    partitions = await owner.fetch("SELECT name, low FROM ledger_partitions() ORDER BY high")
    assert (partitions[0]["name"], partitions[0]["low"]) == ("ledger_entries_first", None)
    assert await owner.fetchval("SELECT count(*) FROM ledger_entries") > _ROWS
    assert [finding for finding in await verify(settings) if not any(part in finding for part in _MADE_BY_SQL)] == []


async def test_a_migration_that_was_interrupted_is_run_again(owner: asyncpg.Connection, settings: Settings) -> None:
    await migrate.downgrade(settings, "0030")
    # As one that was killed after its first step leaves it.
    await owner.execute(
        "ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_before_the_first_month "
        "CHECK (transaction_id < '01900000-0000-0000-0000-000000000000') NOT VALID"
    )
    await migrate.upgrade(settings)
    assert await owner.fetchval("SELECT count(*) FROM ledger_partitions()") >= 3
    assert await verify(settings) == []


async def test_a_downgrade_keeps_the_entries_of_all_partitions(bank: Bank, owner: asyncpg.Connection, settings: Settings) -> None:
    alice = await bank.viewer("alice")
    a, b = [await bank.wallet(alice, balance="10.00") for _ in range(2)]
    assert not (await bank.pay(alice, a, b)).refusals
    before = await owner.fetch("SELECT * FROM ledger_entries ORDER BY transaction_id, leg")
    await migrate.downgrade(settings, "0030")
    assert await owner.fetch("SELECT * FROM ledger_entries ORDER BY transaction_id, leg") == before
    await migrate.upgrade(settings)
    assert await owner.fetch("SELECT * FROM ledger_entries ORDER BY transaction_id, leg") == before
    assert not (await bank.pay(alice, a, b)).refusals
