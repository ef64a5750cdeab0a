"""Balances in time, statements and `paycore verify` while months of entries are in files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.access.viewer import Viewer
from app.db import archive_sql, migrate, projection_sql
from app.db.engine import connect
from app.db.pool import Database
from app.db.projection_sql import QUARTER
from app.db.time_sql import begin_of_quarter
from app.errors import Archived, ConfigurationError, RefusalCode
from app.paging.pages import PageRequest
from app.processes.statement_maker import StatementMaker
from app.records import AccountStatement, StatementStatus, Wallet
from app.services import reading
from app.services.archive import archive, restore
from app.services.balances import balance_at, balances
from app.services.calendars import BalanceStep, Periods
from app.services.rebuilding import rebuild
from app.services.receipts.sealing import seal
from app.services.statements import making
from app.services.statements import reading as statement_reading
from app.services.statements.creating import StatementInput, StatementResult, create
from app.services.verification import verify
from app.settings import Settings
from bench.partitions import split
from tests.bank import new_key, uuid_of
from tests.invariants.conftest import owner
from tests.time_world import TimeWorld, time_world

__all__ = ["owner"]

_EARLY = datetime(2000, 1, 1, tzinfo=UTC)
# Days and seconds in the day of payments: several at once, at the ends of days, and around the end of the archived month.
_STEPS = (0, 0, 0, 1, 1, 3600, 7200, 0, 0, 80000, 86400, 86400 * 5, 0, 1, 40000, 86400 * 9, 0, 0, 0, 0, 0, 60, 86400 * 7, 30, 0)


@dataclass
class Past:
    """A user's wallet with payments over two months that are over, and what is said of its past."""

    times: TimeWorld
    settings: Settings
    owner: asyncpg.Connection
    directory: Path
    viewer: Viewer = field(init=False)
    ids: list[str] = field(default_factory=list)
    border: datetime = field(init=False)
    moments: list[datetime] = field(default_factory=list)

    async def build(self) -> Past:
        await split(self.owner, 6)
        first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        self.border = (first - timedelta(days=40)).replace(day=1)
        self.times.clock.now = self.border - timedelta(days=27)
        self.viewer = await self.times.bank.viewer("alice")
        self.ids = [await self.times.bank.wallet(self.viewer, balance="100.00"), await self.times.bank.wallet(self.viewer)]
        for _ in range(2):
            self.times.clock.move(60)
            await self.times.bank.wallet(self.viewer, balance="1.00")
        for step in _STEPS:
            self.times.clock.move(step)
            await self._pay()
        # A request of the archived month that is posted in the next one, in a day with other entries.
        self.times.clock.now, self.times.clock.drift = self.border - timedelta(milliseconds=2500), timedelta(seconds=1)
        await self._pay()
        self.times.clock.drift = timedelta(0)
        late = "SELECT count(*) FROM ledger_entries WHERE transaction_id < ledger_id_floor($1) AND created_at >= $1"
        assert await self.owner.fetchval(late, self.border) == 2
        for step in (0, 0, 30, 3600, 86400, 0, 86400 * 3):
            self.times.clock.move(step)
            await self._pay()
        await self.sequence()
        await self.times.project()
        for id_ in self.ids:
            for entry in await self.times.entries(uuid_of(id_)):
                day = entry.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
                offsets = (timedelta(0), timedelta(microseconds=1), timedelta(hours=1))
                self.moments += [entry.created_at + offset for offset in offsets]
                self.moments += [entry.created_at - timedelta(microseconds=1), day, day + timedelta(hours=23)]
        self.moments = sorted(set(self.moments))
        self.times.clock.now = datetime.now(UTC)
        return self

    async def _pay(self) -> None:
        paid = await self.times.bank.pay(self.viewer, self.ids[0], self.ids[1], "0.25")
        assert paid.transaction is not None

    async def sequence(self) -> None:
        await self.times.sequence()
        while await seal(self.owner):
            pass

    async def archive(self) -> int:
        return await archive(self.settings, self.border, self.directory, "old", lambda _: None)

    async def restore(self) -> None:
        for sealed in await archive_sql.seals(self.owner):
            if sealed.entries:
                await restore(self.settings, await self.moment_of(sealed.high), self.directory, "needed")

    async def moment_of(self, high: UUID) -> datetime:
        end: datetime = await self.owner.fetchval("SELECT ledger_id_moment($1)", high)
        return end - timedelta(days=1)

    async def wallets(self) -> list[Wallet]:
        return list(
            (await reading.load_wallets(self.times.bank.engine, self.viewer, [uuid_of(id_) for id_ in self.ids])).values()
        )

    async def said(self) -> list[Any]:
        """All answers about the past of the wallets."""
        engine, clock = self.times.bank.engine, self.times.clock
        found: list[Any] = []
        for wallet in sorted(await self.wallets(), key=lambda wallet: wallet.id):
            found += [await balance_at(engine, self.viewer, wallet, at, clock) for at in self.moments]
            for step, zone, days in (
                (BalanceStep.DAY, "UTC", 60), (BalanceStep.DAY, "Asia/Kathmandu", 60), (BalanceStep.HOUR, "Asia/Kathmandu", 16),
                (BalanceStep.MONTH, "Europe/Berlin", 90),
            ):  # fmt: skip
                begin = self.border - timedelta(days=30)
                asked = Periods(begin, begin + timedelta(days=days), step, zone)
                found += await balances(engine, self.viewer, wallet, asked, clock)
        return found

    async def make_statement(self, from_at: datetime, to_at: datetime) -> StatementResult:
        clock = self.times.clock
        details = StatementInput(new_key(), self.ids[0], from_at, to_at)
        return await create(self.times.bank.engine, self.settings, self.viewer, details, clock=clock)

    async def make_files(self) -> None:
        maker = StatementMaker(self.times.bank.engine, self.times.clock)
        while await maker.make_next(asyncio.Event()) == 0:
            pass

    async def statement(self, id_: UUID) -> AccountStatement:
        return (await statement_reading.load_statements(self.times.bank.engine, self.viewer, [id_]))[id_]


@pytest.fixture
async def past(engine: Database, settings: Settings, owner: asyncpg.Connection, tmp_path: Path) -> AsyncIterator[Past]:
    async with time_world(engine, settings) as times:
        yield await Past(times, settings, owner, tmp_path).build()


async def test_balances_in_time_are_the_same_before_an_archive_after_it_and_after_a_restore(past: Past) -> None:
    said = await past.said()
    assert await past.archive() > 0
    assert await past.owner.fetchval("SELECT count(*) FROM ledger_entries WHERE created_at < $1", past.border) == 0
    assert await past.said() == said
    await past.restore()
    assert await past.said() == said


async def test_in_an_archived_quarter_of_an_hour_a_wallet_of_the_system_is_archived_and_before_and_after_exact(
    past: Past,
) -> None:
    admin = await past.times.bank.viewer("admin", admin=True)
    id_ = await past.owner.fetchval("SELECT wallet_id FROM ledger_entries e JOIN wallets w ON w.id = e.wallet_id"
                                    " WHERE w.owner_id IS NULL AND e.created_at < $1 LIMIT 1", past.border)  # fmt: skip
    engine, clock = past.times.bank.engine, past.times.clock
    wallet = (await reading.load_wallets(engine, admin, [id_]))[id_]
    posted = (await past.times.entries(id_))[0].created_at
    around = [posted - timedelta(microseconds=1), begin_of_quarter(posted) + QUARTER, posted + timedelta(days=1)]
    asked = Periods(posted - timedelta(hours=1), posted + timedelta(hours=2), BalanceStep.HOUR, "Asia/Kathmandu")
    before = [await balance_at(engine, admin, wallet, at, clock) for at in around]
    hours = await balances(engine, admin, wallet, asked, clock)
    assert [point.sequence for point in before if point is not None] == [0, 3, 3]
    await past.archive()
    assert [await balance_at(engine, admin, wallet, at, clock) for at in around] == before
    assert await balances(engine, admin, wallet, asked, clock) == hours
    with pytest.raises(Archived):
        await balance_at(engine, admin, wallet, posted + timedelta(seconds=60), clock)


_AFTER = "(SELECT max(day) FROM wallet_days)"
_TAMPERED = {
    "a day": (f"UPDATE wallet_days SET closing = closing + 1, credits = credits + 1 WHERE day = {_AFTER}", "Day "),
    "a sum of debits": (f"UPDATE wallet_days SET debits_so_far = debits_so_far + 1 WHERE day = {_AFTER}", "Day "),
    "a mark": ("UPDATE wallet_marks SET balance = balance + 1 WHERE at = (SELECT max(at) FROM wallet_marks)", "The mark of "),
    "activity": ("UPDATE activity SET amount = amount + 1 WHERE at = (SELECT max(at) FROM activity)", "The activity of "),
    "a statement": ("UPDATE statements SET closing = closing + 1, debits = debits - 1 WHERE number = 2", "Statement 2 of "),
    "debits of a month": ("UPDATE wallet_places SET debits = debits + 1", "Wallets were debited "),
}


@pytest.mark.parametrize("what", _TAMPERED)
async def test_verify_leaves_out_what_is_archived_and_names_all_else(past: Past, what: str) -> None:
    change, expected = _TAMPERED[what]
    # The first one also has the entries of the late request.
    cut = past.border + timedelta(seconds=10)
    for from_at, to_at in ((_EARLY, cut), (cut, past.border + timedelta(days=10))):
        made = await past.make_statement(from_at, to_at)
        assert made.statement is not None
        assert made.statement.entry_count > 0
    await past.make_files()
    assert await verify(past.settings) == []
    await past.archive()
    assert await verify(past.settings) == []
    await past.owner.execute(f"SET session_replication_role = replica; {change}")
    assert expected in "\n".join(await verify(past.settings))


async def test_everything_is_checked_again_after_a_restore(past: Past) -> None:
    await past.archive()
    await past.restore()
    assert await verify(past.settings) == []
    await past.owner.execute("SET session_replication_role = replica; UPDATE wallet_marks SET balance = balance + 1")
    assert any("The mark of" in found for found in await verify(past.settings))
    await past.owner.execute("DELETE FROM wallet_marks WHERE at > (SELECT min(at) FROM wallet_marks)")
    assert any("The mark of" in found for found in await verify(past.settings))


async def test_a_month_is_archived_once_the_models_have_it_and_no_rebuild_runs(past: Past) -> None:
    position = await past.owner.fetchval("SELECT position FROM read_models")
    await past.owner.execute("SET session_replication_role = replica; UPDATE read_models SET position = 1")
    with pytest.raises(ConfigurationError, match="read models are at position 1 of"):
        await past.archive()
    await past.owner.execute("UPDATE read_models SET position = $1", position)
    other = await connect(past.settings)
    try:
        assert await projection_sql.lock_rebuilds(other)
        with pytest.raises(ConfigurationError, match="A rebuild of the read models is running"):
            await past.archive()
    finally:
        await other.close()
    assert await past.archive() > 0
    with pytest.raises(ConfigurationError, match="Months of entries are archived"):
        await rebuild(past.settings, lambda _: None)
    # The migration of the marks lets the models begin anew, too.
    with pytest.raises(RuntimeError, match="Months of entries are archived"):
        await migrate.downgrade(past.settings, "0035")
    await past.restore()
    await rebuild(past.settings, lambda _: None)


async def test_a_statement_created_while_its_month_is_taken_waits_for_a_restore(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await past.make_statement(_EARLY, past.border)
    assert made.statement is not None

    async def none(*_: object) -> int:
        return 0

    engine = past.times.bank.engine
    lease = await making.take(engine)
    assert lease is not None
    with monkeypatch.context() as patched:
        patched.setattr(archive_sql, "preparing", none)
        await past.archive()
    with pytest.raises(Archived):
        await making.make(engine, past.times.bank.currencies, lease, past.times.clock)
    await making.release(engine, lease)
    assert await making.take(engine) is None
    await past.restore()
    await past.make_files()
    assert (await past.statement(made.statement.id)).status is StatementStatus.READY


async def test_statements_over_archived_entries_are_kept_and_new_ones_are_refused(past: Past) -> None:
    middle = past.border - timedelta(days=20)
    made = await past.make_statement(_EARLY, middle)
    assert made.statement is not None
    with pytest.raises(ConfigurationError, match=r"1 statements over .* are PREPARING"):
        await past.archive()
    await past.make_files()
    await past.archive()
    engine = past.times.bank.engine
    statement = await past.statement(made.statement.id)
    assert len((await statement_reading.load_files(engine, [statement.id]))[statement.id]) == 5
    with pytest.raises(Archived):
        await statement_reading.entries_of(engine, statement, PageRequest(first=3))
    refused = await past.make_statement(middle, past.border + timedelta(days=10))
    assert [refusal.code for refusal in refused.refusals] == [RefusalCode.ARCHIVED]
    await past.restore()
    assert (await statement_reading.entries_of(engine, statement, PageRequest(first=3))).items
    assert (await past.make_statement(middle, past.border + timedelta(days=10))).statement is not None
