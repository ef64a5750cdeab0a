"""Keyset paging: the cost of a page depends neither on its depth nor on refused transfers to the wallet."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.access.policy import rights_of
from app.access.viewer import Role, Viewer
from app.db.pool import Database
from app.errors import BadUserInput, Forbidden
from app.paging.cursors import encode_cursor
from app.paging.pages import Page, PageRequest, TransactionFilter
from app.records import EntryDirection, Transaction, TransactionStatus, Wallet
from app.services import reading
from app.services.transfers import TransferInput, transfer_batch
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.services.transaction_lists import transactions_of
from tests.statements import recorded_statements

PAYMENTS = 1500
REFUSED = 500


class History:
    """Alice made 1500 payments to Bob. Then 500 of Carol's were refused, because her wallet is empty."""

    def __init__(self, engine: Database, alice: Viewer, wallet: Wallet, bob: Viewer, bobs: Wallet) -> None:
        self.engine = engine
        self.alice, self.wallet = alice, wallet
        self.bob, self.bobs = bob, bobs


async def batch(bank: Bank, payer: Viewer, sender: str, receiver: str, count: int) -> None:
    for start in range(0, count, 500):
        transfers = [TransferInput(new_key(), sender, receiver, "0.01", "USD") for _ in range(min(500, count - start))]
        await transfer_batch(bank.ledger, payer, transfers, atomic=False)


@pytest.fixture
async def history(bank: Bank, settings: Settings) -> History:
    alice, bob, carol = [await bank.viewer(name) for name in ("alice", "bob", "carol")]
    a, b, c = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob), await bank.wallet(carol)
    await batch(bank, alice, a, b, PAYMENTS)
    await batch(bank, carol, c, b, REFUSED)
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    # With statistics, as in production, the planner may choose other plans.
    await connection.execute("ANALYZE")
    await connection.close()
    wallets = await reading.load_wallets(bank.engine, await bank.viewer("admin", admin=True), [uuid_of(a), uuid_of(b)])
    return History(bank.engine, alice, wallets[uuid_of(a)], bob, wallets[uuid_of(b)])


async def blocks(engine: Database, statements: list[tuple[str, Any]]) -> int:
    """Count the blocks that PostgreSQL reads for these statements: a cost that does not depend on the machine's load."""
    seen = 0
    async with engine.connect() as connection:
        for statement, parameters in statements:
            explained = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            plan = explained.scalar_one()
            root = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
            seen += root["Shared Hit Blocks"] + root["Shared Read Blocks"]
    return seen


async def page_after(history: History, skipped: int, narrowed: TransactionFilter, *, of_bob: bool = False) -> tuple[int, int]:
    """Load a page of 20 after `skipped` rows. Returns its length and its cost in blocks."""
    viewer, wallet = (history.bob, history.bobs) if of_bob else (history.alice, history.wallet)
    after = None
    while skipped:
        page = await transactions_of(history.engine, viewer, wallet, PageRequest(first=100, after=after), narrowed)
        after, skipped = page.cursors[-1], skipped - 100
    request = PageRequest(first=20, after=after)
    with recorded_statements(history.engine) as statements:
        alone = await reading.transactions_of(history.engine, viewer, wallet, request, narrowed)
    cost = await blocks(history.engine, statements)
    with recorded_statements(history.engine) as statements:
        found = await reading.wallet_and_transactions(history.engine, viewer, wallet.id, request, narrowed)
    assert found is not None
    assert found[1] == alone
    assert len(statements) == 1
    assert await blocks(history.engine, statements) <= cost + 10
    return len(alone.page.items), cost


async def test_the_cost_of_a_page_of_transactions_does_not_depend_on_its_depth(history: History) -> None:
    begin = history.wallet.created_at
    filters = {
        "unfiltered": TransactionFilter(),
        "by direction": TransactionFilter(direction=EntryDirection.DEBIT),
        "by time": TransactionFilter(created_from=begin, created_to=begin + timedelta(days=1)),
    }
    for name, narrowed in filters.items():
        length, first = await page_after(history, 0, narrowed)
        deep_length, deep = await page_after(history, PAYMENTS - 100, narrowed)
        assert (length, deep_length) == (20, 20), name
        assert deep <= first + 10, (name, first, deep)


async def test_refused_transfers_do_not_slow_down_the_receivers_page(history: History) -> None:
    length, cost = await page_after(history, 0, TransactionFilter(), of_bob=True)
    received_length, received_cost = await page_after(history, 0, TransactionFilter(direction=EntryDirection.CREDIT), of_bob=True)
    assert (length, received_length) == (20, 20)
    assert max(cost, received_cost) < 60, "500 refused rows are newer than the newest transfer that Bob received"


async def test_the_cost_of_a_page_of_entries_does_not_depend_on_its_depth(history: History) -> None:
    costs = []
    scope = f"entries of {history.bobs.id}"
    for after in (PAYMENTS + 1, 100):
        with recorded_statements(history.engine) as statements:
            request = PageRequest(first=20, after=encode_cursor(scope, after))
            page = await reading.entries_of(history.engine, history.bob, history.bobs, request)
        assert [entry.sequence for entry in page.items] == list(range(after - 1, after - 21, -1))
        costs.append(await blocks(history.engine, statements))
    assert costs[1] <= costs[0] + 10, costs


async def test_has_previous_and_has_next_are_correct_in_both_directions(history: History) -> None:
    async def page(**arguments: Any) -> Page[Transaction]:
        return await transactions_of(history.engine, history.alice, history.wallet, PageRequest(**arguments), TransactionFilter())

    def flags(one: Page[Transaction]) -> tuple[bool, bool]:
        return one.has_previous, one.has_next

    newest, oldest = await page(first=100), await page(last=100)
    assert flags(newest) == (False, True)
    assert flags(oldest) == (True, False)
    assert flags(await page(first=50, after=newest.cursors[49])) == (True, True)
    assert flags(await page(first=100, after=oldest.cursors[49])) == (True, False)
    assert flags(await page(last=100, before=newest.cursors[50])) == (False, True)
    assert flags(await page(last=50, before=oldest.cursors[-1])) == (True, True)
    between = await page(first=100, after=newest.cursors[10], before=newest.cursors[20])
    assert between.items == newest.items[11:20]
    assert flags(between) == (True, True)
    behind = await page(first=100, after=oldest.cursors[-1])
    assert (behind.items, flags(behind)) == ((), (True, False))


async def test_a_page_has_20_items_by_default_and_the_last_page_has_no_next(history: History) -> None:
    default = await transactions_of(history.engine, history.alice, history.wallet, PageRequest(), TransactionFilter())
    assert len(default.items) == 20
    deposits = TransactionFilter(direction=EntryDirection.CREDIT)
    page = await transactions_of(history.engine, history.alice, history.wallet, PageRequest(first=1), deposits)
    assert (len(page.items), page.has_next) == (1, False)


async def test_a_filter_selects_matching_rows_and_its_cursors_are_valid_only_with_it(history: History) -> None:
    admin = replace(history.alice, rights=rights_of(Role.ADMIN, None))
    failed = await reading.all_transactions(
        history.engine, admin, PageRequest(first=100), TransactionFilter(status=TransactionStatus.FAILED)
    )
    assert {one.status for one in failed.items} == {TransactionStatus.FAILED}
    for other in (TransactionFilter(), TransactionFilter(status=TransactionStatus.COMPLETED)):
        with pytest.raises(BadUserInput):
            await reading.all_transactions(history.engine, admin, PageRequest(after=failed.cursors[0]), other)
    with pytest.raises(BadUserInput):
        await reading.all_transactions(history.engine, admin, PageRequest(), TransactionFilter(direction=EntryDirection.DEBIT))
    with pytest.raises(Forbidden):
        await reading.all_transactions(history.engine, history.alice, PageRequest(), TransactionFilter())


async def test_a_forged_cursor_above_the_largest_sequence_is_refused(history: History) -> None:
    forged = encode_cursor(f"entries of {history.bobs.id}", 2**100)
    for request in (PageRequest(first=1, after=forged), PageRequest(last=1, before=forged)):
        with pytest.raises(BadUserInput):
            await reading.entries_of(history.engine, history.bob, history.bobs, request)


async def test_times_outside_the_range_of_ids_do_not_restrict_a_list(history: History) -> None:
    created = history.wallet.created_at
    for narrowed, expected in (
        (TransactionFilter(created_from=created.replace(year=1)), 20),
        (TransactionFilter(created_to=created.replace(year=9999)), 20),
        (TransactionFilter(created_from=created.replace(year=9999)), 0),
        (TransactionFilter(created_to=created.replace(year=1)), 0),
        (TransactionFilter(created_from=created + timedelta(days=1), created_to=created), 0),
    ):
        page = await transactions_of(history.engine, history.alice, history.wallet, PageRequest(), narrowed)
        assert len(page.items) == expected, narrowed
