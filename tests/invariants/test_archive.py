"""Months of entries are sealed, moved into files and put back, while transfers run and processes are killed."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from app import ids
from app.access.viewer import Viewer
from app.clock import system_clock
from app.db import archive_sql, live_sql, partition_sql, reads
from app.db.engine import database_dsn
from app.errors import Archived, ConfigurationError, RefusalCode
from app.paging.pages import PageRequest
from app.records import ReversalReason, Transaction
from app.services import event_feed, reading
from app.services.archive import archive, check_files, month_of, restore
from app.services.archive_files import DamagedArchive
from app.services.partitions import PartitionState, ledger_partitions
from app.services.projection import project_live
from app.services.receipts.reading import load_receipts
from app.services.receipts.sealing import seal
from app.services.reversals import ReversalInput, reverse_transaction
from app.services.transfers import Ledger
from app.services.verification import verify
from app.settings import Settings
from bench.partitions import split
from tests.bank import Bank, new_key, uuid_of
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import outbox_empty, running_relay

__all__ = ["bank", "other_bank", "owner"]

_LONG_AGO = timedelta(days=100)
_DAYS = 40


class History:
    """Two wallets that moved every second day from 100 to 60 days ago, and today. All of it is in the log."""

    def __init__(self, bank: Bank, settings: Settings, owner: asyncpg.Connection) -> None:
        self.bank, self.settings, self.owner = bank, settings, owner
        self.now = datetime.now(UTC) - _LONG_AGO
        self.paid: list[Transaction] = []

    async def build(self) -> History:
        await split(self.owner, 24)
        ledger = Ledger(self.bank.engine, self.settings, self.bank.currencies, lambda: self.now)
        past = replace(self.bank, ledger=ledger, clock=lambda: self.now)
        await ledger.start()
        try:
            self.alice = await past.viewer("alice")
            self.a = await past.wallet(self.alice, balance="100.00")
            self.b = await past.wallet(self.alice)
            for _ in range(0, _DAYS, 2):
                self.now += timedelta(days=2)
                await self._pay(past)
        finally:
            await ledger.stop()
        await self._pay(self.bank)
        await self.sequence()
        self.before = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m")
        return self

    async def _pay(self, bank: Bank) -> None:
        paid = await bank.pay(self.alice, self.a, self.b)
        assert paid.transaction is not None
        self.paid.append(paid.transaction)

    async def sequence(self) -> None:
        async with running_relay(self.settings):
            await outbox_empty(self.bank.engine)
        while await seal(self.owner):
            pass
        while await project_live(self.owner):
            pass

    async def archive(self, directory: Path) -> int:
        return await archive(self.settings, month_of(self.before), directory, "old", lambda _: None)

    async def sequences(self) -> list[int]:
        """What a reader sees of a wallet, page by page of one entry."""
        (wallet,) = await reads.wallets_by_id(self.bank.engine, [uuid_of(self.b)], None)
        found: list[int] = []
        after = None
        while True:
            page = await reading.entries_of(self.bank.engine, self.alice, wallet, PageRequest(first=1, after=after))
            found += [entry.sequence for entry in page.items]
            after = page.cursors[-1]
            if not page.has_next:
                return found

    async def entries(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.owner.fetch("SELECT * FROM ledger_entries ORDER BY transaction_id, leg")]

    async def receipts(self, viewer: Viewer) -> dict[Any, Any]:
        return await load_receipts(self.bank.engine, viewer, [paid.id for paid in self.paid])


@pytest.fixture
async def history(bank: Bank, settings: Settings, owner: asyncpg.Connection) -> History:
    return await History(bank, settings, owner).build()


async def test_an_archived_month_is_out_of_the_database_and_everything_but_its_entries_is_as_before(
    history: History, bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert await verify(settings) == []
    entries, receipts = await history.entries(), await history.receipts(history.alice)
    balances = [await bank.balance(wallet) for wallet in (history.a, history.b)]

    assert await history.archive(tmp_path) > 1

    assert len(await history.entries()) < len(entries)
    assert await verify(settings) == []
    assert await check_files(settings, tmp_path) == []
    assert [await bank.balance(wallet) for wallet in (history.a, history.b)] == balances
    assert await history.receipts(history.alice) == receipts
    old = history.paid[0]
    assert await reading.load_archived(bank.engine, [old.id, history.paid[-1].id]) == {old.id: True}
    with pytest.raises(Archived):
        await history.sequences()
    newest = (await reads.wallets_by_id(bank.engine, [uuid_of(history.b)], None))[0]
    with pytest.raises(Archived):
        await live_sql.entries_after(bank.engine, newest, 0, 10)
    admin = await bank.viewer("admin", admin=True)
    with pytest.raises(Archived):
        await event_feed.read(bank.engine, admin, 0, 1000)
    shown = await ledger_partitions(bank.engine, admin, system_clock)
    states = [partition.state for partition in shown]
    assert states == sorted(states, key=list(reversed(PartitionState)).index)
    assert {PartitionState.ARCHIVED, PartitionState.CURRENT, PartitionState.FUTURE} <= set(states)
    assert all((partition.size == 0) == (partition.archived_at is not None) for partition in shown)
    page = await reading.entries_of(bank.engine, history.alice, newest, PageRequest(first=1))
    assert (page.items[0].sequence, page.has_next) == (newest.sequence, True)

    details = ReversalInput(new_key(), ids.encode("txn", old.id), ReversalReason.REFUND)
    refused = await reverse_transaction(bank.ledger, admin, details)
    assert [refusal.code for refusal in refused.result.refusals] == [RefusalCode.ARCHIVED]

    seals = await archive_sql.seals(owner)
    for sealed in seals:
        month = await owner.fetchval("SELECT ledger_id_moment($1)", sealed.low)
        await restore(settings, month, tmp_path, "needed")
    assert await history.entries() == entries
    assert await verify(settings) == []
    assert await history.sequences() == list(range(newest.sequence, 0, -1))
    assert await history.receipts(history.alice) == receipts
    assert not (await reverse_transaction(bank.ledger, admin, replace(details, idempotency_key=new_key()))).result.refusals

    await history.sequence()
    assert await history.archive(tmp_path) == len(seals)
    assert await archive_sql.seals(owner) == seals
    assert await verify(settings) == []


def _size_of_files(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("*.csv.gz"))


async def test_metrics_and_log_say_what_was_archived_and_restored(
    history: History, owner: asyncpg.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank, settings = history.bank, history.settings
    caplog.set_level("INFO", "app.services.archive")
    total = len(await history.entries())
    before = await partition_sql.extent(bank.engine)
    assert before[2:] == (0, 0, 0, None)

    months = await history.archive(tmp_path)
    after = await partition_sql.extent(bank.engine)
    assert (after.months, after.entries) == (months, total - len(await history.entries()))
    assert after.entries > 0
    assert after.bytes == await asyncio.to_thread(_size_of_files, tmp_path)
    assert after.written_at is not None
    assert (after.ends, after.oldest_ends > before.oldest_ends) == (before.ends, True)
    sealed = next(one for one in await archive_sql.seals(owner) if one.entries)
    lines = [vars(line) for line in caplog.records if vars(line).get("partition") == sealed.partition]
    assert [(line["step"], line["entries"]) for line in lines] == [
        (step, sealed.entries) for step in ("sealed", "exported", "detached")
    ]
    assert all(line["seconds"] >= 0 for line in lines)

    await restore(settings, await owner.fetchval("SELECT ledger_id_moment($1)", sealed.low), tmp_path, "needed")
    restored = await partition_sql.extent(bank.engine)
    assert (restored.months, restored.entries) == (months - 1, after.entries - sealed.entries)
    assert (vars(caplog.records[-1])["step"], vars(caplog.records[-1])["entries"]) == ("restored", sealed.entries)


async def test_transfers_run_while_months_are_archived_and_restored(
    history: History, bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    stop, count = asyncio.Event(), 0

    async def pay() -> None:
        nonlocal count
        while not stop.is_set():
            async with asyncio.timeout(5):
                assert not (await bank.pay(history.alice, history.a, history.b, "0.01")).refusals
            count += 1

    paying = asyncio.create_task(pay())
    months = await history.archive(tmp_path)
    first = next(sealed for sealed in await archive_sql.seals(owner) if sealed.entries)
    await restore(settings, await owner.fetchval("SELECT ledger_id_moment($1)", first.low), tmp_path, "needed")
    assert await history.archive(tmp_path) == 1
    stop.set()
    await paying
    assert months > 1
    assert count > 3
    await history.sequence()
    assert await verify(settings) == []


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from app.db import archive_sql
from app.services import archive, archive_files
from app.settings import DatabaseSettings, load_settings

def dies(module, name, when):
    work = getattr(module, name)
    async def wrapped(*given, **named):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await work(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(module, name, wrapped)

when, _, name = sys.argv[1].partition(" ")
if name:
    dies(archive_sql, name, when)
asyncio.run(archive.archive(load_settings(DatabaseSettings), archive.month_of(sys.argv[2]), Path(sys.argv[3]), "old", print))
"""
_STEPS = (
    "after close_for_inserts", "after copy_out", "after seal", "before record_archive", "after record_archive", "before detach",
    "after detach", "after drop_detached", "before audit", "after audit",
)  # fmt: skip


async def _run(history: History, step: str, directory: Path) -> int:
    url = database_dsn(history.settings)
    command = (sys.executable, "-c", _KILLED, step, history.before, str(directory))
    environment = {**os.environ, "PAYCORE_DATABASE_URL": url, "PAYCORE_ENVIRONMENT": "test"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=None)
    return await process.wait()


@pytest.mark.heavy
async def test_an_archive_that_is_killed_at_any_step_is_finished_by_the_next_run(
    history: History, settings: Settings, tmp_path: Path
) -> None:
    entries = await history.entries()
    for step in _STEPS:
        assert await _run(history, step, tmp_path) == -9, step
        assert await verify(settings) == [], step
    assert await _run(history, "", tmp_path) == 0
    assert await verify(settings) == []
    assert await check_files(settings, tmp_path) == []
    for sealed in await archive_sql.seals(history.owner):
        await restore(settings, await history.owner.fetchval("SELECT ledger_id_moment($1)", sealed.low), tmp_path, "needed")
    assert await history.entries() == entries


async def test_a_detach_that_was_killed_while_it_waited_is_finished(history: History, settings: Settings, tmp_path: Path) -> None:
    reader = await asyncpg.connect(database_dsn(settings))
    snapshot = reader.transaction(isolation="repeatable_read")
    await snapshot.start()
    seen = await reader.fetchval("SELECT count(*) FROM ledger_entries")
    running = asyncio.create_task(history.archive(tmp_path))
    pending = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending)"
    async with asyncio.timeout(30):
        while not await history.owner.fetchval(pending):  # noqa: ASYNC110 - the event is PostgreSQL's
            await asyncio.sleep(0.05)
    assert not (await history.bank.pay(history.alice, history.a, history.b)).refusals
    assert await reader.fetchval("SELECT count(*) FROM ledger_entries") == seen, "an old snapshot sees what it saw"
    await history.owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'paycore-archive'"
    )
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await running
    await reader.close()
    assert await verify(settings) == []
    assert await history.archive(tmp_path) > 0
    await history.sequence()
    assert await verify(settings) == []


async def test_a_month_that_is_not_ready_is_not_archived(
    history: History, bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await owner.execute("ALTER TABLE event_chunks DISABLE TRIGGER USER; TRUNCATE event_chunks")
    with pytest.raises(ConfigurationError, match="no position yet"):
        await history.archive(tmp_path)
    assert await check_files(settings, tmp_path) == []
    # Months without entries are ready.
    assert all(sealed.entries == 0 for sealed in await archive_sql.seals(owner))


async def test_a_month_that_is_not_in_a_signed_log_is_not_archived(
    history: History, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    """The log has leaves of all transactions, but the last checkpoint has only the first."""
    await owner.execute("ALTER TABLE log_checkpoints DISABLE TRIGGER USER")
    await owner.execute("INSERT INTO log_checkpoints VALUES (1, sha256('root'), 'origin', 'note', now())")
    with pytest.raises(ConfigurationError, match="The log has 1 of"):
        await history.archive(tmp_path)
    assert all(sealed.entries == 0 for sealed in await archive_sql.seals(owner))


async def test_nothing_comes_into_a_sealed_month(history: History, owner: asyncpg.Connection, tmp_path: Path) -> None:
    await history.archive(tmp_path)
    first = next(sealed for sealed in await archive_sql.seals(owner) if sealed.entries)
    await restore(history.settings, await owner.fetchval("SELECT ledger_id_moment($1)", first.low), tmp_path, "needed")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await owner.execute("INSERT INTO ledger_entries SELECT * FROM ledger_entries ORDER BY transaction_id LIMIT 2")
    assert refused.value.constraint_name == "ledger_entries_sealed"


async def test_a_file_that_was_changed_or_lost_is_found_and_not_restored(
    history: History, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await history.archive(tmp_path)
    seals = [sealed for sealed in await archive_sql.seals(owner) if sealed.entries]
    damaged, lost, forged = seals[0], seals[1], seals[-1]
    file = tmp_path / f"{damaged.partition}.csv.gz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    (tmp_path / f"{lost.partition}.csv.gz").unlink()
    if forged not in (damaged, lost):
        manifest = tmp_path / f"{forged.partition}.json"
        manifest.write_bytes(orjson.dumps(orjson.loads(manifest.read_bytes()) | {"entries": 1}))
    found = await check_files(settings, tmp_path)
    assert len(found) == len({damaged.partition, lost.partition, forged.partition})
    with pytest.raises(DamagedArchive):
        await restore(settings, await owner.fetchval("SELECT ledger_id_moment($1)", damaged.low), tmp_path, "needed")
    assert await verify(settings) == []


async def test_a_whole_file_with_other_rows_is_not_restored_even_without_its_manifest(
    history: History, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await history.archive(tmp_path)
    sealed = next(sealed for sealed in await archive_sql.seals(owner) if sealed.entries)
    file = tmp_path / f"{sealed.partition}.csv.gz"
    first, *others = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join((*others, first))))
    (tmp_path / f"{sealed.partition}.json").unlink()
    assert len(await check_files(settings, tmp_path)) == 1
    with pytest.raises(DamagedArchive, match="rows that were sealed"):
        await restore(settings, await owner.fetchval("SELECT ledger_id_moment($1)", sealed.low), tmp_path, "needed")


_TAMPERED = {
    "a place": (
        (
            "UPDATE wallet_places SET balance = balance + 1, change = change + 1 "
            "WHERE high = (SELECT high FROM wallet_places ORDER BY high DESC LIMIT 1)"
        ),
        ["balance was", "entries sum to", "its seal does not say"],
    ),
    "an entry after the month": ("DELETE FROM ledger_entries", ["newest entry", "COMPLETED without entries"]),
    "kept entries": ("UPDATE archived_entries SET entries = entries || entries", ["it was changed"]),
}


@pytest.mark.parametrize("what", _TAMPERED)
async def test_verify_finds_what_does_not_agree_with_the_archived_months(
    history: History, settings: Settings, owner: asyncpg.Connection, tmp_path: Path, what: str
) -> None:
    await history.archive(tmp_path)
    change, expected = _TAMPERED[what]
    await owner.execute(f"SET session_replication_role = replica; {change}")
    found = "\n".join(await verify(settings))
    assert [part for part in expected if part not in found] == []
