"""Quotas are exact under concurrency, recorded as refusals, replayed, and do not affect other users."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from app.clock import system_clock
from app.db.currency_sql import load_currencies
from app.db.engine import open_connection
from app.db.pool import Database
from app.errors import ConfigurationError, RefusalCode
from app.records import TransactionStatus
from app.services.quotas import QuotaChange, describe_quota, set_quota
from app.services.transfers import Ledger, TransferInput, transfer_batch
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.services.conftest import PATIENCE


async def limit(settings: Settings, subject: str, *amounts: str, minute: int | None = None, day: int | None = None) -> None:
    """Set a user's own limits."""
    await set_quota(settings, subject, QuotaChange(minute, day, amounts), "for a test")


async def used(bank: Bank, user_id: UUID) -> tuple[int, dict[str, int]]:
    """Returns the number of transfers and the amounts counted for this day, in minor units."""
    async with bank.engine.connect() as connection:
        count = await connection.scalar(text("SELECT day_transfers FROM quotas WHERE user_id = :u"), {"u": user_id})
        query = text("SELECT currency, day_amount FROM quota_amounts WHERE user_id = :u")
        amounts = {currency: int(amount) for currency, amount in await connection.execute(query, {"u": user_id})}
    assert count is not None
    return count, amounts


@pytest.fixture
async def late_bank(engine: Database, settings: Settings) -> AsyncIterator[Bank]:
    """A second process whose clock is a day ahead."""
    currencies = await load_currencies(engine)
    patient = settings.model_copy(update=PATIENCE)
    ledger = Ledger(engine, patient, currencies, lambda: system_clock() + timedelta(days=1))
    await ledger.start()
    yield Bank(engine, ledger, currencies)
    await ledger.stop()


async def test_concurrent_transfers_of_two_processes_use_exactly_the_quota_of_the_day(
    bank: Bank, other_bank: Bank, settings: Settings
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine = [await bank.wallet(alice, balance="1000.00") for _ in range(4)]
    theirs = await bank.wallet(bob)
    await limit(settings, "alice", "USD=100.00", day=70)
    payments = [random.choice([bank, other_bank]).pay(alice, random.choice(mine), theirs, "1.50") for _ in range(200)]
    results = await asyncio.gather(*payments)
    completed = [result for result in results if not result.refusals]
    assert len(completed) == 66
    assert await bank.balance(theirs) == 66 * 150
    assert {result.refusals[0].code for result in results if result.refusals} == {RefusalCode.QUOTA_EXCEEDED}
    assert await used(bank, alice.user_id) == (66, {"USD": 9900})
    # 1.00 is left, so three transfers of 0.30 still fit.
    small = await asyncio.gather(*(random.choice([bank, other_bank]).pay(alice, mine[0], theirs, "0.30") for _ in range(10)))
    assert sum(not result.refusals for result in small) == 3
    assert await used(bank, alice.user_id) == (69, {"USD": 9990})
    last = await asyncio.gather(*(random.choice([bank, other_bank]).pay(alice, mine[0], theirs, "0.01") for _ in range(10)))
    assert sum(not result.refusals for result in last) == 1
    assert await used(bank, alice.user_id) == (70, {"USD": 9991})


async def test_a_refusal_by_quota_is_recorded_and_replayed_and_moves_no_money(
    bank: Bank, other_bank: Bank, settings: Settings
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b, key = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob), new_key()
    await limit(settings, "alice", "USD=5.00")
    refused = await bank.pay(alice, a, b, "5.01", key)
    assert refused.transaction is not None
    assert (refused.transaction.status, refused.transaction.failure_code) == (
        TransactionStatus.FAILED,
        RefusalCode.QUOTA_EXCEEDED,
    )
    assert refused.refusals[0].path == ("input", "amount")
    assert not (await bank.pay(alice, a, b, "5.00")).refusals
    await set_quota(settings, "alice", QuotaChange(clear=True), "for a test")
    again = await other_bank.pay(alice, a, b, "5.01", key)
    assert (again.replayed, again.refusals, again.transaction) == (True, refused.refusals, refused.transaction)
    assert await bank.balance(b) == 500
    assert not (await bank.pay(alice, a, b, "5.00")).refusals


async def test_a_replay_uses_no_quota_and_is_answered_even_if_the_limit_is_reached(bank: Bank, settings: Settings) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b, key = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob), new_key()
    await limit(settings, "alice", minute=1)
    for _ in range(3):
        assert not (await bank.pay(alice, a, b, "1.00", key)).refusals
    assert (await used(bank, alice.user_id))[0] == 1


async def test_a_failed_transfer_uses_no_quota_and_an_atomic_batch_uses_all_or_nothing(bank: Bank, settings: Settings) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    await limit(settings, "alice", "USD=9.00", day=3)
    assert (await bank.pay(alice, a, b, "11.00")).refusals[0].code is RefusalCode.INSUFFICIENT_FUNDS

    async def batch(*amounts: str) -> list[RefusalCode | None]:
        transfers = [TransferInput(new_key(), a, b, amount, "USD") for amount in amounts]
        result = await transfer_batch(bank.ledger, alice, transfers, atomic=True)
        return [one.refusals[0].code if one.refusals else None for one in result.results]

    assert await batch("4.00", "6.00") == [RefusalCode.BATCH_ABORTED, RefusalCode.QUOTA_EXCEEDED]
    assert (await used(bank, alice.user_id))[0] == 0
    assert await batch("4.00", "5.00") == [None, None]
    assert await used(bank, alice.user_id) == (2, {"USD": 900})


async def test_a_new_day_has_a_new_quota_and_a_slow_clock_does_not_return_to_the_old_day(
    bank: Bank, late_bank: Bank, settings: Settings
) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    await limit(settings, "alice", "USD=2.00", day=2)
    assert not (await bank.pay(alice, a, b, "2.00")).refusals
    assert (await bank.pay(alice, a, b, "0.01")).refusals
    assert not (await late_bank.pay(alice, a, b, "1.50")).refusals
    assert (await bank.pay(alice, a, b, "0.51")).refusals
    assert not (await bank.pay(alice, a, b, "0.50")).refusals
    assert (await bank.pay(alice, a, b, "0.01")).refusals
    assert await used(bank, alice.user_id) == (2, {"USD": 200})


async def test_the_general_limits_apply_to_every_user_without_their_own(engine: Database, settings: Settings) -> None:
    currencies = await load_currencies(engine)
    limited = settings.model_copy(
        update={**PATIENCE, "quota_transfers_per_day": 5, "quota_amounts_per_day": ("USD=3.00", "JPY=10")}
    )
    ledgers = [Ledger(engine, limited, currencies, system_clock) for _ in range(2)]
    for ledger in ledgers:
        await ledger.start()
    try:
        one, two = (Bank(engine, ledger, currencies) for ledger in ledgers)
        users = [await one.viewer(f"user-{number}") for number in range(6)]
        wallets = [await one.wallet(user, balance="100.00") for user in users]
        await limit(settings, "user-0", "USD=4.00")
        payments = [
            random.choice([one, two]).pay(user, wallet, wallets[number - 1], "1.00")
            for _ in range(8)
            for number, (user, wallet) in enumerate(zip(users, wallets, strict=True))
        ]
        random.shuffle(payments)
        await asyncio.gather(*payments)
        assert [(await used(one, user.user_id))[1]["USD"] for user in users] == [400, 300, 300, 300, 300, 300]
    finally:
        for ledger in ledgers:
            await ledger.stop()


async def test_a_transfer_of_a_user_without_a_quota_runs_no_extra_statement(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for method in ("fetch", "fetchval", "execute"):
        run = getattr(asyncpg.Connection, method)

        async def recorded(self: asyncpg.Connection, query: str, *args: object, _run: object = run, **kwargs: object) -> object:
            seen.append(query)
            return await _run(self, query, *args, **kwargs)  # type: ignore[operator]

        monkeypatch.setattr(asyncpg.Connection, method, recorded)
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    await bank.pay(alice, a, b)
    seen.clear()
    await bank.pay(alice, a, b)
    # BEGIN, the locks with the look for keys, the writes, COMMIT.
    assert len(seen) == 4, seen


async def test_a_locked_quota_delays_only_the_transfers_of_its_user(bank: Bank, settings: Settings) -> None:
    alice, carol = await bank.viewer("alice"), await bank.viewer("carol")
    a, c, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(carol, balance="10.00"), await bank.wallet(carol)
    await limit(settings, "alice", day=10)
    holder = await open_connection(settings)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM quotas WHERE user_id = $1 FOR UPDATE", alice.user_id)
            held = asyncio.create_task(bank.pay(alice, a, b))
            for _ in range(10):
                assert not (await bank.pay(carol, c, a, "0.10")).refusals
            await asyncio.sleep(0)
            assert not held.done()
    finally:
        await holder.close()
    assert not (await held).refusals
    assert (await used(bank, alice.user_id))[0] == 1


async def test_a_changed_quota_is_in_the_audit_log_and_keeps_the_amounts_already_used(bank: Bank, settings: Settings) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    a, b = await bank.wallet(alice, balance="10.00"), await bank.wallet(bob)
    await limit(settings, "alice", "USD=3.00", minute=100)
    await bank.pay(alice, a, b, "2.00")
    await set_quota(settings, "alice", QuotaChange(amounts=("USD=4.00",)), "requested by phone")
    assert (await bank.pay(alice, a, b, "2.01")).refusals
    async with bank.engine.connect() as connection:
        query = text(
            "SELECT actor_id, operator, before, after, reason FROM audit_log WHERE action = 'SET_QUOTA' ORDER BY id DESC"
        )
        newest = (await connection.execute(query)).first()
    assert newest is not None
    assert newest.operator
    assert (newest.actor_id, newest.reason) == (None, "requested by phone")
    assert (newest.before["amounts_per_day"], newest.after["amounts_per_day"]) == ({"USD": 300}, {"USD": 400})
    assert newest.after["transfers_per_minute"] == 100
    lines = await describe_quota(settings, "alice")
    assert any("USD per day: 4.00, used 2.00" in line for line in lines), lines


@pytest.mark.parametrize("amount", ["USD", "USD=", "USD=-1", "USD=1.001", "ZZZ=1.00", "USD=1e3"])
async def test_an_invalid_amount_of_a_quota_is_refused(bank: Bank, settings: Settings, amount: str) -> None:
    await bank.viewer("alice")
    with pytest.raises(ConfigurationError, match=r"USD|ZZZ"):
        await limit(settings, "alice", amount)


async def test_a_quota_of_an_unknown_user_is_refused(bank: Bank, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no user"):
        await limit(settings, "nobody", day=1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE quotas SET transfers_per_day = 1000000",
        "UPDATE quota_amounts SET amount_per_day = NULL",
        "INSERT INTO quotas (user_id, transfers_per_day) SELECT id, 5 FROM users",
        "DELETE FROM quota_amounts",
        "DELETE FROM quotas",
        "TRUNCATE quotas CASCADE",
    ],
)
async def test_the_database_role_of_the_service_may_not_change_limits(bank: Bank, settings: Settings, statement: str) -> None:
    await bank.viewer("alice")
    await limit(settings, "alice", "USD=1.00", day=1)
    async with bank.engine.connect() as connection:
        with pytest.raises(Exception, match="permission denied"):
            await connection.execute(text(statement))


async def test_a_deposit_is_in_the_audit_log_with_the_balances(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    wallet = await bank.wallet(alice, balance="10.00")
    await bank.pay(alice, wallet, await bank.wallet(alice))
    async with bank.engine.connect() as connection:
        (record,) = (await connection.execute(text("SELECT * FROM audit_log"))).all()
    admin = await bank.viewer("admin", admin=True)
    assert (record.actor_id, record.action, record.subject_id) == (admin.user_id, "DEPOSIT", uuid_of(wallet))
    assert (record.before, record.after["balance"], record.after["status"]) == ({"balance": "0"}, "1000", "COMPLETED")
    assert record.after["transaction_id"].startswith("txn_")
