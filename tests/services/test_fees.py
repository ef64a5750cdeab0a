"""Fees under the locks: what is charged, what is refused, who pays, and which version counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.db import fee_sql
from app.db.engine import connect
from app.errors import Forbidden, RefusalCode
from app.records import EntryPurpose, FeePayer, FeeSchedule, TransactionStatus, TransactionType
from app.services.fee_schedules import PublishResult, publish, valid_at
from app.services.rehearsals import preview_transfer
from app.services.transfers import DepositInput, TransferInput, TransferResult, deposit, transfer, transfer_batch
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key
from tests.fee_input import fee_input
from tests.invariants.conftest import owner

__all__ = ["owner"]

FEE_30_CENTS = {"percent": None, "flat": ("0.30", "USD")}


class Fees:
    """Alice with 100 dollars, Bob with 5, and the administrator who publishes."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    async def build(self) -> Fees:
        """Open the wallets."""
        self.alice, self.bob = await self.bank.viewer("alice"), await self.bank.viewer("bob")
        self.admin = await self.bank.viewer("admin", admin=True)
        self.mine = await self.bank.wallet(self.alice, balance="100.00")
        self.theirs = await self.bank.wallet(self.bob, balance="5.00")
        return self

    async def publish(self, **changes: Any) -> PublishResult:
        """Publish 2.9 % + 0.30, paid by the sender, at once, with these changes."""
        details = fee_input(**changes)
        return await publish(self.bank.engine, self.admin, details, self.bank.currencies, system_clock)

    async def published(self, **changes: Any) -> FeeSchedule:
        """Publish, without a refusal."""
        result = await self.publish(**changes)
        assert result.schedule is not None, result.refusals
        return result.schedule

    def payment(self, amount: str = "10.00", max_fee: str | None = "5.00", key: str | None = None) -> TransferInput:
        """A transfer from Alice to Bob."""
        limit = None if max_fee is None else (max_fee, "USD")
        return TransferInput(key or new_key(), self.mine, self.theirs, amount, "USD", max_fee=limit)

    async def pay(self, *given: Any, **named: Any) -> TransferResult:
        """Make that transfer."""
        return await transfer(self.bank.ledger, self.alice, self.payment(*given, **named))

    async def balances(self) -> tuple[int, int, int]:
        """Alice's, Bob's and the fee wallet's, in cents."""
        async with self.bank.engine.connect() as connection:
            query = "SELECT coalesce(max(balance), 0) FROM wallets WHERE system_purpose = 'FEES' AND currency = 'USD'"
            fees: int = (await connection.exec_driver_sql(query)).scalar_one()
        return await self.bank.balance(self.mine), await self.bank.balance(self.theirs), fees


@pytest.fixture
async def fees(bank: Bank) -> Fees:
    return await Fees(bank).build()


async def test_a_sender_pays_amount_and_fee_and_the_receiver_gets_the_amount(fees: Fees, settings: Settings) -> None:
    schedule = await fees.published()
    paid = await fees.pay("10.00", "0.59")
    assert paid.refusals == ()
    assert paid.transaction is not None
    assert (paid.transaction.fee, paid.transaction.fee_schedule_id) == (59, schedule.id)
    assert [(entry.amount, entry.purpose) for entry in paid.entries] == [
        (-1000, EntryPurpose.PRINCIPAL),
        (1000, EntryPurpose.PRINCIPAL),
        (-59, EntryPurpose.FEE),
        (59, EntryPurpose.FEE),
    ]
    assert await fees.balances() == (8941, 1500, 59)
    assert await verify(settings) == []


async def test_a_receiver_pays_out_of_what_arrives(fees: Fees, settings: Settings) -> None:
    await fees.published(payer=FeePayer.RECEIVER)
    assert (await fees.pay()).refusals == ()
    assert await fees.balances() == (9000, 1441, 59)
    refused = await fees.pay("0.30")
    assert [refusal.code for refusal in refused.refusals] == [RefusalCode.FEE_EXCEEDS_AMOUNT]
    assert await fees.balances() == (9000, 1441, 59)
    assert await verify(settings) == []


@pytest.mark.parametrize(("max_fee", "limit"), [(None, "0.00"), ("0.58", "0.58"), ("0.00", "0.00")])
async def test_a_fee_above_the_limit_is_refused_and_stated_and_the_key_stays_free(
    fees: Fees, max_fee: str | None, limit: str
) -> None:
    await fees.published()
    key = new_key()
    refused = await fees.pay(max_fee=max_fee, key=key)
    (refusal,) = refused.refusals
    assert (refusal.code, refusal.path) == (RefusalCode.FEE_EXCEEDS_LIMIT, ("input", "maxFee"))
    assert refusal.fee is not None
    assert refusal.limit is not None
    assert (refusal.fee.amount, refusal.limit.amount) == ("0.59", limit)
    assert (await fees.balances())[0] == 10_000
    accepted = await fees.pay(max_fee="0.59", key=key)
    assert accepted.refusals == ()
    assert not accepted.replayed


async def test_nothing_changes_where_no_fee_applies(fees: Fees) -> None:
    await fees.published(currency="EUR", flat=("0.30", "EUR"))
    await fees.published(transaction_type=TransactionType.DEPOSIT, payer=FeePayer.RECEIVER)
    paid = await fees.pay(max_fee=None)
    assert paid.refusals == ()
    assert len(paid.entries) == 2
    assert await fees.balances() == (9000, 1500, 0)


async def test_an_operator_may_charge_fees_that_no_limit_was_set_on(fees: Fees, settings: Settings, bank: Bank) -> None:
    await fees.published()
    ledger = make_ledger(bank.engine, settings.model_copy(update={"fees_without_limit": "charge"}), bank.currencies)
    await ledger.start()
    try:
        paid = await transfer(ledger, fees.alice, fees.payment(max_fee=None))
        limited = await transfer(ledger, fees.alice, fees.payment(max_fee="0.58"))
    finally:
        await ledger.stop()
    assert paid.refusals == ()
    assert [refusal.code for refusal in limited.refusals] == [RefusalCode.FEE_EXCEEDS_LIMIT]
    assert await fees.balances() == (8941, 1500, 59)


async def test_a_deposit_is_charged_to_its_receiver(fees: Fees, settings: Settings) -> None:
    await fees.published(transaction_type=TransactionType.DEPOSIT, payer=FeePayer.RECEIVER)
    details = DepositInput(new_key(), fees.theirs, "10.00", "USD", max_fee=("1.00", "USD"))
    assert (await deposit(fees.bank.ledger, fees.admin, details)).refusals == ()
    assert await fees.balances() == (10_000, 1441, 59)
    assert await verify(settings) == []


async def test_missing_funds_count_the_fee_and_a_replay_says_the_same(fees: Fees) -> None:
    await fees.published()
    key = new_key()
    first = await fees.pay("99.00", key=key)
    await fees.published(flat=("1.00", "USD"))
    again = await fees.pay("99.00", key=key)
    for result in (first, again):
        (refusal,) = result.refusals
        assert refusal.code is RefusalCode.INSUFFICIENT_FUNDS
        assert refusal.available is not None
        assert refusal.required is not None
        # 2.9 % of 99.00 is 2.871, and 0.30 more.
        assert (refusal.available.amount, refusal.required.amount) == ("100.00", "102.17")
    assert again.replayed


async def test_a_receivers_fee_is_no_part_of_the_senders_missing_funds(fees: Fees) -> None:
    await fees.published(payer=FeePayer.RECEIVER)
    (refusal,) = (await fees.pay("100.01")).refusals
    assert refusal.required is not None
    assert (refusal.code, refusal.required.amount) == (RefusalCode.INSUFFICIENT_FUNDS, "100.01")


async def test_a_replay_keeps_the_old_fee_and_another_limit_is_another_input(fees: Fees) -> None:
    await fees.published()
    key = new_key()
    first = await fees.pay(key=key)
    await fees.published(flat=("1.00", "USD"))
    again = await fees.pay(key=key)
    assert again.replayed
    assert again.transaction == first.transaction
    (refusal,) = (await fees.pay(key=key, max_fee="4.99")).refusals
    assert refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED


async def test_a_users_own_schedule_replaces_the_general_one_where_the_user_pays(fees: Fees, settings: Settings) -> None:
    await fees.published()
    await fees.published(user_id=ids.encode("usr", fees.alice.user_id), percent=None, flat=None)
    assert (await fees.pay(max_fee=None)).refusals == ()
    back = TransferInput(new_key(), fees.theirs, fees.mine, "1.00", "USD", max_fee=("1.00", "USD"))
    assert (await transfer(fees.bank.ledger, fees.bob, back)).refusals == ()
    # 2.9 % of 1.00 and 0.30 from Bob, who has no schedule of his own.
    assert await fees.balances() == (9100, 1367, 33)
    assert await verify(settings) == []


async def test_an_atomic_batch_counts_the_fees_of_its_members_and_undoes_them_together(fees: Fees) -> None:
    await fees.published(**FEE_30_CENTS)
    members = [fees.payment("49.80"), fees.payment("49.80")]
    result = await transfer_batch(fees.bank.ledger, fees.alice, members, atomic=True)
    assert [one.refusals[0].code for one in result.results] == [RefusalCode.BATCH_ABORTED, RefusalCode.INSUFFICIENT_FUNDS]
    assert await fees.balances() == (10_000, 500, 0)
    members = [fees.payment("49.70"), fees.payment("49.70")]
    result = await transfer_batch(fees.bank.ledger, fees.alice, members, atomic=True)
    assert [one.refusals for one in result.results] == [(), ()]
    assert await fees.balances() == (0, 10_440, 60)


async def test_a_preview_shows_the_fee_or_the_refusal_that_comes(fees: Fees) -> None:
    schedule = await fees.published()
    for details in (fees.payment(), fees.payment(max_fee=None), fees.payment("99.00")):
        preview = await preview_transfer(fees.bank.ledger, fees.alice, details)
        result = await transfer(fees.bank.ledger, fees.alice, details)
        assert preview.refusals == result.refusals
        assert [entry[1:6] for entry in preview.entries] == [entry[1:6] for entry in result.entries]
        if result.entries:
            assert preview.charge is not None
            assert (preview.charge.amount, preview.charge.schedule) == (59, schedule)


async def test_each_of_fifty_parallel_transfers_has_the_fee_of_its_own_posting_time(
    fees: Fees, other_bank: Bank, settings: Settings
) -> None:
    await fees.published(**FEE_30_CENTS)
    keys = [new_key() for _ in range(50)]
    details = [fees.payment("1.00", key=key) for key in keys]
    half = len(details) // 2
    ledgers = (fees.bank.ledger, other_bank.ledger)
    first = [asyncio.create_task(transfer(ledgers[i % 2], fees.alice, one)) for i, one in enumerate(details[:half])]
    published = asyncio.create_task(fees.published(percent=None, flat=("0.50", "USD")))
    await asyncio.sleep(0)
    second = [asyncio.create_task(transfer(ledgers[i % 2], fees.alice, one)) for i, one in enumerate(details[half:])]
    results = await asyncio.gather(*first, *second)
    changed = await published
    charged = []
    for result in results:
        assert result.transaction is not None, result.refusals
        assert result.transaction.completed_at is not None
        expected = 50 if result.transaction.completed_at >= changed.valid_from else 30
        assert result.transaction.fee == expected
        charged.append(expected)
    assert await fees.balances() == (5000 - sum(charged), 5500, sum(charged))
    late = await fees.pay("1.00")
    assert late.transaction is not None
    assert late.transaction.fee == 50
    again = [await transfer(fees.bank.ledger, fees.alice, one) for one in details]
    assert [one.transaction for one in again] == [one.transaction for one in results]
    assert await verify(settings) == []


async def test_a_version_that_starts_later_does_not_count_before(fees: Fees) -> None:
    await fees.published(**FEE_30_CENTS)
    soon = system_clock() + timedelta(seconds=1)
    await fees.published(percent=None, flat=("0.50", "USD"), valid_from=soon)
    seen = []
    async with asyncio.timeout(60):
        while 50 not in seen:
            result = await fees.pay("0.10")
            assert result.transaction is not None
            assert result.transaction.completed_at is not None
            assert result.transaction.fee == (50 if result.transaction.completed_at >= soon else 30)
            seen.append(result.transaction.fee)
            await asyncio.sleep(0.05)
    assert 30 in seen


async def test_the_same_key_publishes_once_and_other_input_is_refused(fees: Fees) -> None:
    key = new_key()
    results = await asyncio.gather(*(fees.publish(idempotency_key=key) for _ in range(3)))
    assert len({one.schedule.id for one in results if one.schedule is not None}) == 1
    assert sorted(one.replayed for one in results) == [False, True, True]
    assert (await fees.publish(idempotency_key=key, percent="2.90")).replayed
    other = await fees.publish(idempotency_key=key, percent="3")
    assert [refusal.code for refusal in other.refusals] == [RefusalCode.IDEMPOTENCY_KEY_REUSED]
    assert await fees.bank.count("fee_schedules") == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"currency": "XXQ"}, RefusalCode.INVALID_INPUT, "currency"),
        ({"name": " "}, RefusalCode.INVALID_INPUT, "name"),
        ({"reason": ""}, RefusalCode.INVALID_INPUT, "reason"),
        ({"idempotency_key": ""}, RefusalCode.IDEMPOTENCY_KEY_INVALID, "idempotencyKey"),
        ({"transaction_type": TransactionType.POSTING}, RefusalCode.INVALID_INPUT, "transactionType"),
        ({"transaction_type": TransactionType.DEPOSIT}, RefusalCode.INVALID_INPUT, "payer"),
        ({"user_id": "usr_nobody"}, RefusalCode.INVALID_INPUT, "userId"),
        ({"user_id": "usr_01h455vb4pex5vsknk084sn02q"}, RefusalCode.INVALID_INPUT, "userId"),
        ({"percent": "100.1"}, RefusalCode.INVALID_INPUT, "percent"),
        ({"percent": "-1"}, RefusalCode.INVALID_INPUT, "percent"),
        ({"percent": "0.1234567"}, RefusalCode.INVALID_INPUT, "percent"),
        ({"flat": ("-0.01", "USD")}, RefusalCode.INVALID_AMOUNT, "flat"),
        ({"flat": ("0.001", "USD")}, RefusalCode.INVALID_AMOUNT, "flat"),
        ({"flat": ("1", "EUR")}, RefusalCode.INVALID_INPUT, "flat"),
        ({"minimum": ("2", "USD"), "maximum": ("1", "USD")}, RefusalCode.INVALID_INPUT, "maximum"),
        ({"percent": None, "flat": None, "minimum": ("2", "USD")}, RefusalCode.INVALID_INPUT, "percent"),
        ({"valid_from": system_clock() - timedelta(seconds=1)}, RefusalCode.INVALID_INPUT, "validFrom"),
    ],
)
async def test_a_schedule_that_cannot_be_is_refused(fees: Fees, changes: dict[str, Any], code: RefusalCode, field: str) -> None:
    result = await fees.publish(**changes)
    assert [(refusal.code, refusal.path[1]) for refusal in result.refusals] == [(code, field)]
    assert await fees.bank.count("fee_schedules") == 0


async def test_a_version_is_valid_only_after_the_one_before_it(fees: Fees) -> None:
    await fees.published(valid_from=system_clock() + timedelta(days=1))
    for valid_from in (None, system_clock() + timedelta(hours=1)):
        result = await fees.publish(valid_from=valid_from)
        assert [refusal.path for refusal in result.refusals] == [("input", "validFrom")]


async def test_only_administrators_publish(fees: Fees) -> None:
    fees.admin = fees.alice
    with pytest.raises(Forbidden):
        await fees.publish()


async def test_publishing_is_in_the_audit_log(fees: Fees, owner: asyncpg.Connection) -> None:
    schedule = await fees.published()
    row = await owner.fetchrow("SELECT * FROM audit_log WHERE action = 'PUBLISH_FEE_SCHEDULE'")
    assert row is not None
    assert (row["actor_id"], row["subject_id"], row["reason"]) == (fees.admin.user_id, schedule.id, "for the tests")


async def test_a_user_sees_general_schedules_and_their_own(fees: Fees) -> None:
    general = await fees.published()
    own = await fees.published(user_id=ids.encode("usr", fees.alice.user_id))
    later = await fees.published(valid_from=system_clock() + timedelta(days=1))
    now = system_clock()
    for viewer, seen in ((fees.alice, [general, own]), (fees.bob, [general]), (fees.admin, [general, own])):
        assert await valid_at(fees.bank.engine, viewer, now) == seen
    assert await valid_at(fees.bank.engine, fees.bob, later.valid_from) == [later]


async def test_nothing_is_published_while_a_batch_is_in_progress(fees: Fees, settings: Settings) -> None:
    batch = await connect(settings)
    try:
        await batch.execute(fee_sql.BEGIN)
        publishing = asyncio.create_task(fees.publish())
        done, _ = await asyncio.wait([publishing], timeout=0.2)
        assert not done
        await batch.execute("COMMIT")
        assert (await publishing).schedule is not None
    finally:
        await batch.close()


async def test_a_schedule_that_a_failover_lost_is_charged_no_longer(fees: Fees, owner: asyncpg.Connection) -> None:
    await fees.published()
    assert (await fees.pay()).refusals == ()
    await owner.execute("ALTER TABLE fee_schedules DISABLE TRIGGER USER; DELETE FROM fee_schedules")
    paid = await fees.pay(max_fee=None)
    assert (paid.refusals, len(paid.entries)) == ((), 2)


async def test_a_failed_transfer_is_charged_nothing(fees: Fees) -> None:
    await fees.published()
    result = await fees.pay("99.00")
    assert result.transaction is not None
    assert result.transaction.status is TransactionStatus.FAILED
    assert await fees.balances() == (10_000, 500, 0)
