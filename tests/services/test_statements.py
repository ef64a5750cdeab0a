"""Creating statements: numbers, periods and sums over random histories, and what is refused."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import ids
from app.access.viewer import Right, Viewer
from app.clock import system_clock
from app.errors import Forbidden, RefusalCode
from app.records import AccountStatement, StatementStatus
from app.services.statements.creating import StatementInput, StatementResult, create
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def at_once(settings: Settings) -> Settings:
    """Settings with which a statement may end now."""
    return settings.model_copy(update={"statement_delay_seconds": 0.0, "statements_preparing_per_user": 1000})


async def ask(bank: Bank, settings: Settings, viewer: Viewer, *given: Any) -> StatementResult:
    """Ask for a statement of a wallet, from a moment to another, with a key or with a new one."""
    wallet, from_at, to_at, *key = given
    details = StatementInput(key[0] if key else new_key(), wallet, from_at, to_at)
    return await create(bank.engine, settings, viewer, details, clock=system_clock)


async def made(*arguments: Any) -> AccountStatement:
    result = await ask(*arguments)
    assert result.statement is not None, result.refusals
    return result.statement


async def entries_of(bank: Bank, wallet: str) -> list[Any]:
    query = "SELECT sequence, amount, balance_after, created_at FROM ledger_entries WHERE wallet_id = :wallet ORDER BY sequence"
    async with bank.engine.connect() as connection:
        return list(await connection.execute(text(query), {"wallet": uuid_of(wallet)}))


def code_of(result: StatementResult) -> tuple[RefusalCode, tuple[str, ...]]:
    (refusal,) = result.refusals
    return refusal.code, refusal.path


@pytest.mark.parametrize("seed", range(4))
async def test_over_random_histories_each_statement_opens_where_the_one_before_closed(
    bank: Bank, at_once: Settings, seed: int
) -> None:
    chance = random.Random(seed)
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine, theirs = await bank.wallet(alice, balance="500.00"), await bank.wallet(bob, balance="500.00")
    statements: list[AccountStatement] = []
    from_at = LONG_AGO
    for _ in range(12):
        for _ in range(chance.choice((0, 0, 1, 2, 7))):
            payer, sender, receiver = chance.choice(((alice, mine, theirs), (bob, theirs, mine)))
            await bank.pay(payer, sender, receiver, f"0.{chance.randint(1, 99):02}")
        # Any moment that is over: before, at or after the time of an entry.
        times = [entry.created_at for entry in await entries_of(bank, mine)] + [system_clock()]
        to_at = chance.choice([time for time in times if time > from_at] or [system_clock()])
        statements.append(await made(bank, at_once, alice, mine, from_at, to_at))
        from_at = to_at
    statements.append(await made(bank, at_once, alice, mine, from_at, system_clock()))
    entries = await entries_of(bank, mine)
    opening, covered = 0, 0
    for number, statement in enumerate(statements, 1):
        inside = [entry for entry in entries if statement.first_sequence <= entry.sequence <= statement.last_sequence]
        assert statement.number == number
        assert (statement.opening, statement.first_sequence) == (opening, covered + 1)
        assert all(statement.from_at <= entry.created_at < statement.to_at for entry in inside)
        assert statement.opening + sum(entry.amount for entry in inside) == statement.closing
        opening, covered = statement.closing, statement.last_sequence
    assert covered == len(entries)
    assert opening == entries[-1].balance_after


async def test_a_gap_or_an_overlap_is_refused_and_says_where_the_next_one_begins(bank: Bank, at_once: Settings) -> None:
    alice = await bank.viewer("alice")
    wallet = await bank.wallet(alice, balance="5.00")
    (entry,) = await entries_of(bank, wallet)
    late = await ask(bank, at_once, alice, wallet, entry.created_at + timedelta(microseconds=1), system_clock())
    assert code_of(late) == (RefusalCode.PERIOD_NOT_NEXT, ("input", "from"))
    assert late.refusals[0].expected_from == entry.created_at
    first = await made(bank, at_once, alice, wallet, entry.created_at, system_clock())
    for wrong in (first.to_at - timedelta(microseconds=1), first.to_at + timedelta(microseconds=1), LONG_AGO):
        refused = await ask(bank, at_once, alice, wallet, wrong, system_clock() + timedelta(seconds=1))
        assert code_of(refused) == (RefusalCode.PERIOD_NOT_NEXT, ("input", "from"))
        assert refused.refusals[0].expected_from == first.to_at
    empty = await made(bank, at_once, alice, wallet, first.to_at, system_clock())
    assert (empty.number, empty.entry_count, empty.opening, empty.closing) == (2, 0, 500, 500)


async def test_a_period_that_is_not_over_is_refused(bank: Bank, settings: Settings, at_once: Settings) -> None:
    alice = await bank.viewer("alice")
    wallet = await bank.wallet(alice, balance="5.00")
    (entry,) = await entries_of(bank, wallet)
    future = await ask(bank, at_once, alice, wallet, LONG_AGO, system_clock() + timedelta(minutes=1))
    assert code_of(future) == (RefusalCode.PERIOD_OPEN, ("input", "to"))
    # Another process may have a clock that is behind, up to the time of the last entry.
    now = await ask(bank, settings, alice, wallet, LONG_AGO, system_clock())
    assert code_of(now) == (RefusalCode.PERIOD_OPEN, ("input", "to"))
    final = await made(bank, settings, alice, wallet, LONG_AGO, entry.created_at)
    assert final.entry_count == 0


async def test_the_same_key_returns_the_same_statement(bank: Bank, at_once: Settings) -> None:
    alice = await bank.viewer("alice")
    wallet = await bank.wallet(alice, balance="5.00")
    key, to_at = new_key(), system_clock()
    results = await asyncio.gather(*(ask(bank, at_once, alice, wallet, LONG_AGO, to_at, key) for _ in range(10)))
    assert {result.statement.id for result in results if result.statement} == {results[0].statement.id}  # type: ignore[union-attr]
    assert sum(not result.replayed for result in results) == 1
    other = await ask(bank, at_once, alice, wallet, LONG_AGO, to_at - timedelta(microseconds=1), key)
    assert code_of(other) == (RefusalCode.IDEMPOTENCY_KEY_REUSED, ("input", "idempotencyKey"))
    assert await bank.count("statements") == 1


async def test_concurrent_requests_and_transfers_leave_one_chain(bank: Bank, other_bank: Bank, at_once: Settings) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    wallet, theirs = await bank.wallet(alice, balance="500.00"), await bank.wallet(bob)
    chain: list[AccountStatement] = []

    async def pay() -> None:
        for _ in range(30):
            await other_bank.pay(alice, wallet, theirs, "0.01")

    async def state() -> None:
        for _ in range(10):
            from_at = chain[-1].to_at if chain else LONG_AGO
            tries = await asyncio.gather(*(ask(bank, at_once, alice, wallet, from_at, system_clock()) for _ in range(4)))
            found = [result.statement for result in tries if result.statement is not None]
            # Whoever comes second finds that the next one begins elsewhere, or that the period is empty.
            assert len(found) == 1, tries
            chain.extend(found)

    await asyncio.gather(pay(), state())
    chain.append(await made(bank, at_once, alice, wallet, chain[-1].to_at, system_clock()))
    entries = await entries_of(bank, wallet)
    assert [one.number for one in chain] == list(range(1, len(chain) + 1))
    assert chain[-1].last_sequence == len(entries)
    for one in chain:
        inside = [entry for entry in entries if one.first_sequence <= entry.sequence <= one.last_sequence]
        assert all(one.from_at <= entry.created_at < one.to_at for entry in inside)


async def test_a_user_has_a_limited_number_of_statements_in_preparation(bank: Bank, settings: Settings) -> None:
    few = settings.model_copy(update={"statement_delay_seconds": 0.0, "statements_preparing_per_user": 2})
    alice = await bank.viewer("alice")
    wallets = [await bank.wallet(alice) for _ in range(3)]
    results = await asyncio.gather(*(ask(bank, few, alice, wallet, LONG_AGO, system_clock()) for wallet in wallets))
    assert [result.refusals[0].code for result in results if result.refusals] == [RefusalCode.QUOTA_EXCEEDED]


async def test_statements_are_for_owners_and_for_those_who_see_all_which_is_recorded(bank: Bank, at_once: Settings) -> None:
    alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
    wallet = await bank.wallet(alice, balance="5.00")
    for stranger, named in ((bob, wallet), (bob, ids.encode("wal", ids.new_id(system_clock()))), (bob, "x")):
        refused = await ask(bank, at_once, stranger, named, LONG_AGO, system_clock())
        assert code_of(refused) == (RefusalCode.WALLET_NOT_FOUND, ("input", "walletId"))
    reader = replace(alice, rights=frozenset({Right.SEE_OWN}))
    with pytest.raises(Forbidden, match="statements:write"):
        await ask(bank, at_once, reader, wallet, LONG_AGO, system_clock())
    before = await bank.count("audit_log")
    own = await made(bank, at_once, alice, wallet, LONG_AGO, system_clock())
    assert await bank.count("audit_log") == before
    theirs = await made(bank, at_once, admin, wallet, own.to_at, system_clock())
    assert (theirs.number, theirs.status) == (2, StatementStatus.PREPARING)
    async with bank.engine.connect() as connection:
        query = text("SELECT actor_id, subject_id, after FROM audit_log WHERE action = 'CREATE_STATEMENT'")
        (record,) = await connection.execute(query)
    assert record.actor_id == admin.user_id
    assert record.after == {"statement": ids.encode("stm", theirs.id), "number": "2"}
