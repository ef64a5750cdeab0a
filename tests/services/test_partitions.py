"""Entries over many monthly partitions: where they go, who makes the partitions, and how few of them a request reads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app import ids
from app.access.viewer import Viewer
from app.db import entry_sql, leaf_sql, lists, partition_sql, reads, reversal_sql, statement_sql, time_sql, webhook_replay_sql
from app.db.engine import connect, database_dsn
from app.paging.pages import PageRequest
from app.records import Wallet
from app.services import reading
from app.services.verification import verify
from app.settings import Settings
from bench.partitions import split
from tests.bank import Bank, uuid_of

MONTHS = 24
_DAYS = 700


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_dsn(settings))
    yield connection
    await connection.close()


_MOVED = """
INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id, amount, currency,
                          created_at, completed_at)
SELECT id, $1, 'past-' || $4 || n, 'TRANSFER', 'COMPLETED', $2, $3, 1, 'USD', ledger_id_moment(id), ledger_id_moment(id)
FROM unnest($5::uuid[]) WITH ORDINALITY AS t (id, n);
"""
_ENTERED = """
INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at)
SELECT id, leg, CASE leg WHEN 0 THEN $1::uuid ELSE $2::uuid END, $3 + n, 2 * leg - 1,
       CASE leg WHEN 0 THEN $4::bigint ELSE $5::bigint END + n * (2 * leg - 1), ledger_id_moment(id)
FROM unnest($6::uuid[]) WITH ORDINALITY AS t (id, n), generate_series(0, 1) leg
"""


async def _move(owner: asyncpg.Connection, payer: Viewer, sides: list[UUID], moments: list[datetime]) -> None:
    """A cent from one wallet to the other at each of these moments, in SQL, under the ledger's rules."""
    rows = [await owner.fetch("SELECT balance, sequence FROM wallets WHERE id = $1", side) for side in sides]
    given = [ids.new_transaction_id(moment) for moment in moments]
    await owner.execute(_MOVED, payer.user_id, *sides, str(given[0]), given)
    ((from_balance, sequence),), ((to_balance, same),) = rows
    assert sequence == same
    await owner.execute(_ENTERED, *sides, sequence, from_balance, to_balance, given)


_PROJECTED = """
WITH marked AS (
    INSERT INTO wallet_marks (generation, wallet_id, at, sequence, amount, balance, debits_so_far)
    SELECT $1, wallet_id, created_at, sequence, amount, balance_after, 0
    FROM (SELECT *, lag(created_at) OVER (ORDER BY sequence) AS previous_at FROM ledger_entries WHERE wallet_id = $2) AS e
    WHERE sequence % 4 = 0 OR previous_at IS NULL OR previous_at < date_bin('15 minutes', created_at, 'epoch')
)
INSERT INTO wallet_days (generation, wallet_id, day, opening, closing, entry_count, first_sequence, last_sequence, debits,
                         credits, debits_so_far)
SELECT $1, wallet_id, (created_at AT TIME ZONE 'UTC')::date, min(balance_after - amount), max(balance_after), count(*),
       min(sequence), max(sequence), 0, sum(amount), 0
FROM ledger_entries WHERE wallet_id = $2 GROUP BY 2, 3
"""
"""The model of a wallet that only received."""


_OF_TIME = "SELECT sequence FROM ledger_entries WHERE wallet_id = $1 AND created_at >= $2 AND created_at < $3 ORDER BY sequence"


@pytest.fixture
async def pair(owner: asyncpg.Connection, bank: Bank) -> list[UUID]:
    """Two wallets that were opened two years ago and moved once a day until 40 days ago."""
    starts = await split(owner, MONTHS)
    alice = await bank.viewer("alice")
    wallets = [uuid_of(await bank.wallet(alice)) for _ in range(2)]
    await owner.execute("ALTER TABLE wallets DISABLE TRIGGER USER")
    # The first one is a system wallet, which may be below zero.
    system = "UPDATE wallets SET kind = 'SYSTEM', owner_id = NULL, system_purpose = 'PAST' WHERE id = $1"
    await owner.execute(system, wallets[0])
    await owner.execute("UPDATE wallets SET created_at = $1, posted_at = $1 WHERE id = ANY ($2)", starts, wallets)
    await owner.execute("ALTER TABLE wallets ENABLE TRIGGER USER")
    now = datetime.now(UTC)
    days = [now - timedelta(days=day) for day in range(_DAYS, 40, -1)]
    await _move(owner, alice, wallets, [day for day in days if day > starts])
    await owner.execute("ANALYZE")
    return wallets


async def _wallet(bank: Bank, wallet_id: UUID) -> Wallet:
    (found,) = await reads.wallets_by_id(bank.engine, [wallet_id], None)
    return found


def _literal(value: object) -> str:
    if isinstance(value, list):
        return f"'{{{','.join(map(str, value))}}}'"
    return "NULL" if value is None else f"'{value}'"


class Explained:
    """A reader that keeps the plans of what it runs, custom and generic: the partitions that each really reads."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.partitions: list[set[str]] = []
        self.reads_activity = False
        self.plans: list[str] = []

    async def fetch(self, query: str, /, *arguments: Any) -> Any:
        for mode in ("force_custom_plan", "force_generic_plan"):
            await self._connection.execute(f"SET plan_cache_mode = {mode}")
            # Of a query with parameters EXPLAIN itself only makes a custom plan.
            await self._connection.execute(f"PREPARE explained AS {query}")
            execute = f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE explained ({', '.join(map(_literal, arguments))})"
            plan = "\n".join(row[0] for row in await self._connection.fetch(execute))
            await self._connection.execute("DEALLOCATE explained")
            self.plans.append(plan)
            # What the plan has but never ran was left out when it started.
            read = re.findall(r"on (ledger_entries_\w+) .*\n?.*actual", plan.replace("(never executed)", ""))
            self.partitions.append(set(read))
            self.reads_activity |= re.search(r"on activity .*\n?.*actual", plan.replace("(never executed)", "")) is not None
        return await self._connection.fetch(query, *arguments)

    async def fetchval(self, query: str, /, *arguments: Any) -> Any:
        rows = await self.fetch(query, *arguments)
        return rows[0][0] if rows else None


@pytest.fixture
async def explained(settings: Settings) -> AsyncIterator[Explained]:
    """As the service connects."""
    connection = await connect(settings)
    yield Explained(connection)
    await connection.close()


async def test_the_first_page_of_a_wallet_reads_two_partitions(bank: Bank, pair: list[UUID], explained: Explained) -> None:
    wallet = await _wallet(bank, pair[1])
    found = await lists.list_entries(explained, wallet, lists.Window(21))
    assert [entry.sequence for entry in found] == list(range(wallet.sequence, wallet.sequence - 21, -1))
    assert len(explained.partitions) == 2, "one statement is enough"
    assert max(map(len, explained.partitions)) <= 2
    assert min(map(len, explained.partitions)) >= 1
    # Of a range, the planner would expect so many that it may read all of a busy wallet.
    assert all("sequence = ANY" in plan for plan in explained.plans)


async def test_a_statement_of_a_month_and_a_page_of_its_entries_read_two_partitions(
    bank: Bank, pair: list[UUID], explained: Explained, owner: asyncpg.Connection
) -> None:
    """Of the month that begins 400 days ago."""
    wallet = await _wallet(bank, pair[1])
    since = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=400)
    until = since + timedelta(days=25)
    inside = await owner.fetch(_OF_TIME, wallet.id, since, until)
    first, last = inside[0]["sequence"], inside[-1]["sequence"]
    given = (wallet.id, until, first - 1, wallet.sequence, *statement_sql.ids_between(since, until))
    assert [tuple(row) for row in await explained.fetch(statement_sql._LAST_BEFORE, *given)] == [(last,)]
    statement = SimpleNamespace(wallet_id=wallet.id, from_at=since, to_at=until, first_sequence=first, last_sequence=last)
    found = await statement_sql.list_entries(explained, statement, first - 1, 100)  # type: ignore[arg-type]
    assert [entry.sequence for entry in found] == list(range(first, last + 1))
    assert len(explained.partitions) == 4, "one statement is enough for each"
    assert max(map(len, explained.partitions)) <= 2


async def test_entries_whose_time_is_not_that_of_the_statement_are_listed_all_the_same(bank: Bank, pair: list[UUID]) -> None:
    wallet = await _wallet(bank, pair[1])
    begin = datetime.now(UTC) - timedelta(days=30)
    statement = SimpleNamespace(wallet_id=wallet.id, from_at=begin, to_at=begin, first_sequence=100, last_sequence=120)
    found = await statement_sql.list_entries(bank.engine, statement, 99, 100)  # type: ignore[arg-type]
    assert [entry.sequence for entry in found] == list(range(100, 121))


async def test_the_last_entry_before_a_moment_is_found_in_its_month_or_long_before(
    pair: list[UUID], explained: Explained, owner: asyncpg.Connection
) -> None:
    middle, now = datetime.now(UTC) - timedelta(days=400), datetime.now(UTC)
    expected = "SELECT max(sequence) FROM ledger_entries WHERE wallet_id = $1 AND created_at < $2"
    for moment, most in ((middle, 3), (now, MONTHS + 4)):
        explained.partitions.clear()
        found = await webhook_replay_sql.last_sequence_before(explained, pair[1], moment)  # type: ignore[arg-type]
        assert found == await owner.fetchval(expected, pair[1], moment)
        assert max(map(len, explained.partitions)) <= most
    assert await webhook_replay_sql.last_sequence_before(explained, pair[1], middle - timedelta(days=5000)) == 0  # type: ignore[arg-type]


async def test_balances_read_the_partitions_of_their_time_and_no_activity(
    bank: Bank, pair: list[UUID], explained: Explained, owner: asyncpg.Connection
) -> None:
    """Noon of ten days a year ago: each of them is inside a day of the model."""
    model = await owner.fetchval("SELECT generation FROM read_models WHERE is_live")
    await owner.execute(_PROJECTED, model, pair[1])
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [now - timedelta(days=day, hours=-12) for day in range(370, 360, -1)]
    places, newer = await time_sql.at_borders(explained, pair[1], moments, with_debits=True)
    entries = (
        "SELECT sequence, balance_after FROM ledger_entries WHERE wallet_id = $1 AND created_at < $2 ORDER BY 1 DESC LIMIT 1"
    )
    rows = [await owner.fetch(entries, pair[1], moment) for moment in moments]
    assert [place[:2] for place in places] == [tuple(row) for (row,) in rows]
    assert newer == []
    # Those from the model's newest day to the wallet's newest entry.
    assert max(map(len, explained.partitions)) <= 2
    assert not explained.reads_activity


async def test_a_balance_at_a_moment_reads_the_partition_of_its_time(
    bank: Bank, pair: list[UUID], explained: Explained, owner: asyncpg.Connection
) -> None:
    """Also where it is one of several entries after a mark."""
    begin = time_sql.begin_of_quarter(datetime.now(UTC) - timedelta(days=30))
    await _move(owner, await bank.viewer("alice"), pair, [begin + timedelta(minutes=minute) for minute in range(9)])
    await owner.execute(_PROJECTED, await owner.fetchval("SELECT generation FROM read_models WHERE is_live"), pair[1])
    last = (await _wallet(bank, pair[1])).sequence
    for sequence in (1, 200, last - 8, last - 7, last - 6, last - 3, last - 1, last):
        at = await owner.fetchval(
            "SELECT created_at FROM ledger_entries WHERE wallet_id = $1 AND sequence = $2", pair[1], sequence
        )
        found = await time_sql.balance_at(explained, pair[1], at)
        assert (found.sequence, found.balance) == (sequence, sequence)
    assert {len(read) for read in explained.partitions} == {0, 1}
    assert not explained.reads_activity


async def test_entries_of_a_transaction_and_of_an_original_are_read_from_one_partition(
    bank: Bank, pair: list[UUID], explained: Explained, owner: asyncpg.Connection
) -> None:
    id_ = await owner.fetchval("SELECT transaction_id FROM ledger_entries WHERE wallet_id = $1 AND sequence = 300", pair[1])
    assert len(await reads.entries_by_transaction(explained, [id_], None)) == 2
    assert len(await explained.fetch(reversal_sql._LEGS, id_)) == 2
    assert [len(read) for read in explained.partitions] == [1, 1, 1, 1]


_CHUNKS = """
INSERT INTO event_chunks (first_position, last_position, published_position, settled, sequenced_at, lowest_transaction_id,
                          highest_transaction_id, kinds, subject_ids, numbers)
SELECT n * 20 + 1, n * 20 + count(*), n * 20 + count(*), n * 20 + count(*), now(), (array_agg(id ORDER BY id))[1],
       (array_agg(id ORDER BY id DESC))[1], repeat('S', count(*)::int), array_agg(id ORDER BY id), array_agg(0)
FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 20 AS n FROM transactions) AS t GROUP BY n
"""


@pytest.mark.parametrize("before", [0, 300, 600])
async def test_the_leaves_of_twenty_days_are_made_from_the_partitions_of_those_days(
    pair: list[UUID], explained: Explained, owner: asyncpg.Connection, before: int
) -> None:
    assert len(pair) == 2
    await owner.execute(f"SET session_replication_role = replica; {_CHUNKS}; RESET session_replication_role; ANALYZE")
    ((hashes,),) = await explained.fetch(leaf_sql._MAKE, before, before + 20, 0)
    assert len(hashes) == 20 * 32
    assert len(explained.partitions) == 2
    assert all(1 <= len(read) <= 2 for read in explained.partitions), explained.partitions


async def test_every_page_of_a_wallet_is_whole_in_both_directions(bank: Bank, pair: list[UUID]) -> None:
    alice = await bank.viewer("admin", admin=True)
    wallet = await _wallet(bank, pair[1])
    everything = list(range(wallet.sequence, 0, -1))
    found: list[int] = []
    page = await reading.entries_of(bank.engine, alice, wallet, PageRequest(first=100))
    while True:
        found += [entry.sequence for entry in page.items]
        if not page.has_next:
            break
        page = await reading.entries_of(bank.engine, alice, wallet, PageRequest(first=100, after=page.cursors[-1]))
    assert found == everything
    oldest = await reading.entries_of(bank.engine, alice, wallet, PageRequest(last=30))
    assert [entry.sequence for entry in oldest.items] == everything[-30:]
    assert oldest.has_previous


async def test_a_wallet_that_moved_often_long_ago_is_read_whole(bank: Bank, pair: list[UUID], owner: asyncpg.Connection) -> None:
    """The estimate is wrong then, and all partitions are read."""
    alice = await bank.viewer("alice")
    await _move(owner, alice, pair, [datetime.now(UTC)])
    wallet = await _wallet(bank, pair[1])
    found = await lists.list_entries(bank.engine, wallet, lists.Window(50))
    assert [entry.sequence for entry in found] == list(range(wallet.sequence, wallet.sequence - 50, -1))


async def test_entries_that_came_since_the_wallet_was_read_are_in_the_page(
    bank: Bank, pair: list[UUID], owner: asyncpg.Connection
) -> None:
    wallet = await _wallet(bank, pair[1])
    await _move(owner, await bank.viewer("alice"), pair, [wallet.posted_at + timedelta(seconds=1)])
    found = await lists.list_entries(bank.engine, wallet, lists.Window(3))
    assert [entry.sequence for entry in found] == list(range(wallet.sequence + 1, wallet.sequence - 2, -1))


async def test_an_entry_of_the_boundary_goes_into_the_partition_that_begins(
    bank: Bank, pair: list[UUID], owner: asyncpg.Connection, settings: Settings
) -> None:
    boundary = await owner.fetchval(
        "SELECT min(ledger_id_moment(low)) FROM ledger_partitions() WHERE ledger_id_moment(low) > now()"
    )
    alice = await bank.viewer("alice")
    moments = [boundary - timedelta(microseconds=1), boundary, boundary + timedelta(seconds=2)]
    await _move(owner, alice, pair, moments)
    placed = await owner.fetch(
        "SELECT tableoid::regclass::text FROM ledger_entries WHERE wallet_id = $1 ORDER BY sequence DESC LIMIT 3", pair[1]
    )
    before, after = f"{moments[0]:ledger_entries_%Y_%m}", f"{boundary:ledger_entries_%Y_%m}"
    assert [row[0] for row in placed] == [after, after, before]
    wallet = await _wallet(bank, pair[1])
    found = await entry_sql.entries_of_wallet(bank.engine, wallet, above=0, below=None, limit=5, is_backward=False)
    assert [entry.sequence for entry in found] == list(range(wallet.sequence, wallet.sequence - 5, -1))


async def test_there_is_no_partition_for_whatever_comes(pair: list[UUID], owner: asyncpg.Connection, bank: Bank) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
        await _move(owner, await bank.viewer("alice"), pair, [datetime.now(UTC) + timedelta(days=365)])
    assert not await owner.fetchval("SELECT count(*) FROM pg_class WHERE pg_get_expr(relpartbound, oid) = 'DEFAULT'")


async def test_the_service_makes_the_partitions_of_three_months_ahead_while_transfers_run(
    bank: Bank, owner: asyncpg.Connection, settings: Settings
) -> None:
    alice = await bank.viewer("alice")
    a, b = [await bank.wallet(alice, balance="10.00") for _ in range(2)]
    names = "SELECT name FROM ledger_partitions() WHERE low IS NOT NULL ORDER BY low"
    made = [row[0] for row in await owner.fetch(names)]
    for name in made:
        await owner.execute(f"DROP TABLE {name}")
    keepers = [await connect(settings) for _ in range(3)]
    try:
        async with asyncio.timeout(30):
            paying = asyncio.gather(*(bank.pay(alice, a, b, "0.01") for _ in range(50)))
            counts = await asyncio.gather(*(partition_sql.keep(keeper) for keeper in keepers))
            assert not any(paid.refusals for paid in await paying)
    finally:
        for keeper in keepers:
            await keeper.close()
    assert sorted(counts) == [0, 0, len(made)], "keepers run one after another"
    assert [row[0] for row in await owner.fetch(names)] == made
    assert (await partition_sql.extent(bank.engine)).ends > datetime.now(UTC) + timedelta(days=89)
    grants = (
        "SELECT count(*) FROM information_schema.role_table_grants WHERE table_name LIKE 'ledger_entries\\_%' AND grantee = $1"
    )
    assert await owner.fetchval(grants, settings.database_role) == 0
    assert await verify(settings) == []
