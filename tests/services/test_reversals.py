"""Reversals under the locks: who may, how much, where the fee goes, and what a refused one leaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from app import ids
from app.access.viewer import Viewer
from app.clock import system_clock
from app.errors import Forbidden, RefusalCode
from app.paging.pages import PageRequest
from app.records import (
    EntryDirection,
    EntryPurpose,
    FeePayer,
    FeeReversal,
    ReversalReason,
    Transaction,
    TransactionStatus,
    TransactionType,
    WalletStatus,
)
from app.services import reading
from app.services.fee_schedules import publish
from app.services.postings import LegInput, PostingInput, post_transaction
from app.services.reversals import ReversalInput, ReversalResult, load_reversed, reverse_transaction
from app.services.transfers import Ledger, TransferInput, transfer
from app.services.verification import verify
from app.services.wallets import set_wallet_status
from app.settings import Settings
from tests.bank import Bank, make_ledger, new_key
from tests.fee_input import fee_input
from tests.invariants.conftest import owner

__all__ = ["owner"]

KEEP, PROPORTIONAL = FeeReversal.KEEP, FeeReversal.PROPORTIONAL


class Shop:
    """Alice, who pays, Bob, who is paid, and an administrator."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    async def build(self) -> Shop:
        """Open the wallets: Alice has 100 dollars, Bob has 5."""
        self.alice, self.bob = await self.bank.viewer("alice"), await self.bank.viewer("bob")
        self.admin = await self.bank.viewer("admin", admin=True)
        self.mine = await self.bank.wallet(self.alice, balance="100.00")
        self.theirs = await self.bank.wallet(self.bob, balance="5.00")
        return self

    async def paid(self, amount: str = "10.00") -> Transaction:
        """A transfer from Alice to Bob, which accepts any fee."""
        details = TransferInput(new_key(), self.mine, self.theirs, amount, "USD", max_fee=("90.00", "USD"))
        result = await transfer(self.bank.ledger, self.alice, details)
        assert result.transaction is not None, result.refusals
        assert result.refusals == ()
        return result.transaction

    async def reverse(
        self,
        original: Transaction,
        amount: str | None = None,
        *,
        viewer: Viewer | None = None,
        ledger: Ledger | None = None,
        **more: Any,
    ) -> ReversalResult:
        """Reverse the transaction as Bob, or as the viewer."""
        details = ReversalInput(
            more.pop("key", None) or new_key(),
            ids.encode("txn", original.id),
            more.pop("reason", ReversalReason.REFUND),
            None if amount is None else (amount, more.pop("currency", "USD")),
            **more,
        )
        return await reverse_transaction(ledger or self.bank.ledger, viewer or self.bob, details)

    async def charge(self, payer: FeePayer = FeePayer.SENDER, **changes: Any) -> None:
        """Publish a fee of 2.9 % + 0.30, with these changes."""
        details = fee_input(payer=payer, **changes)
        assert (await publish(self.bank.engine, self.admin, details, self.bank.currencies, system_clock)).schedule is not None

    async def balances(self) -> tuple[int, int, int]:
        """Alice's, Bob's and the fee wallet's, in cents."""
        async with self.bank.engine.connect() as connection:
            query = "SELECT coalesce(max(balance), 0) FROM wallets WHERE system_purpose = 'FEES' AND currency = 'USD'"
            fees: int = (await connection.exec_driver_sql(query)).scalar_one()
        return await self.bank.balance(self.mine), await self.bank.balance(self.theirs), fees


@pytest.fixture
async def shop(bank: Bank) -> Shop:
    return await Shop(bank).build()


@pytest.fixture
async def ledgers(shop: Shop, settings: Settings) -> AsyncIterator[list[Ledger]]:
    """Two processes of the service."""
    found = [make_ledger(shop.bank.engine, settings, shop.bank.currencies) for _ in range(2)]
    for one in found:
        await one.start()
    yield found
    for one in found:
        await one.stop()


def codes(found: ReversalResult) -> list[tuple[RefusalCode, tuple[str, ...]]]:
    return [(refusal.code, refusal.path) for refusal in found.result.refusals]


async def test_the_one_who_was_paid_gives_back_a_part_and_then_the_rest(shop: Shop, settings: Settings) -> None:
    original = await shop.paid()
    part = await shop.reverse(original, "4.00", description="one of two shoes")
    assert part.result.refusals == ()
    assert part.original == original
    assert part.result.transaction is not None
    assert (part.result.transaction.type, part.result.transaction.reverses_id) == (TransactionType.REVERSAL, original.id)
    assert [(entry.amount, entry.purpose) for entry in part.result.entries] == [
        (-400, EntryPurpose.PRINCIPAL),
        (400, EntryPurpose.PRINCIPAL),
    ]
    assert await shop.balances() == (9400, 1100, 0)
    rest = await shop.reverse(original)
    assert rest.result.transaction is not None
    assert rest.result.transaction.amount == 600
    assert await shop.balances() == (10_000, 500, 0)
    assert (await load_reversed(shop.bank.engine, [original.id]))[original.id].reversed == 1000
    page = await reading.reversals_of(shop.bank.engine, shop.alice, original, PageRequest())
    assert [one.id for one in page.items] == [rest.result.transaction.id, part.result.transaction.id]
    assert await verify(settings) == []


@pytest.mark.parametrize("amount", ["10.01", "4.00", None])
async def test_never_more_than_the_amount_goes_back_and_the_key_stays_free(shop: Shop, amount: str | None) -> None:
    original = await shop.paid()
    await shop.reverse(original, "10.00" if amount is None else "7.00")
    key = new_key()
    assert codes(await shop.reverse(original, amount, key=key)) == [(RefusalCode.REVERSAL_EXCEEDS_REMAINING, ("input", "amount"))]
    assert (await shop.bank.pay(shop.bob, shop.theirs, shop.mine, key=key)).refusals == ()


async def test_a_replay_answers_with_the_first_outcome_and_other_input_is_refused(shop: Shop) -> None:
    original, key = await shop.paid(), new_key()
    first = await shop.reverse(original, key=key)
    again = await shop.reverse(original, key=key)
    assert again.result.replayed
    assert again.result.transaction == first.result.transaction
    for other in ({"amount": "10.00"}, {"fees": KEEP}, {"reason": ReversalReason.MISTAKE}, {"description": "shoes"}):
        assert codes(await shop.reverse(original, key=key, **other)) == [
            (RefusalCode.IDEMPOTENCY_KEY_REUSED, ("input", "idempotencyKey"))
        ]
    second = await shop.paid()
    assert codes(await shop.reverse(second, key=key))[0][0] is RefusalCode.IDEMPOTENCY_KEY_REUSED
    assert await shop.balances() == (9000, 1500, 0)


async def test_what_may_not_be_reversed_looks_like_what_does_not_exist(shop: Shop) -> None:
    original = await shop.paid()
    carol = await shop.bank.viewer("carol")
    reversal = (await shop.reverse(original, "1.00")).result.transaction
    failed = (await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "999.00")).transaction
    assert reversal is not None
    assert failed is not None
    unknown = original._replace(id=shop.bob.user_id)
    tries = [(original, shop.alice), (original, carol), (unknown, shop.bob), (reversal, shop.admin), (failed, shop.admin)]
    found = [await shop.reverse(one, viewer=viewer) for one, viewer in tries]
    (refusal,) = found[0].result.refusals
    assert (refusal.code, refusal.path) == (RefusalCode.NOT_REVERSIBLE, ("input", "transactionId"))
    assert all(one == found[0] for one in found)
    malformed = await reverse_transaction(shop.bank.ledger, shop.bob, ReversalInput(new_key(), "txn_1", ReversalReason.OTHER))
    assert malformed == found[0]


async def test_a_posting_is_not_reversed_but_posted_back(shop: Shop) -> None:
    legs = [
        LegInput(shop.mine, EntryDirection.DEBIT, "1.00", "USD"),
        LegInput(shop.theirs, EntryDirection.CREDIT, "1.00", "USD"),
    ]
    posted = await post_transaction(shop.bank.ledger, shop.admin, PostingInput(new_key(), legs))
    assert posted.transaction is not None
    assert codes(await shop.reverse(posted.transaction, viewer=shop.admin))[0][0] is RefusalCode.NOT_REVERSIBLE


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"amount": "0.00"}, RefusalCode.INVALID_AMOUNT, "amount"),
        ({"amount": "1.001"}, RefusalCode.INVALID_AMOUNT, "amount"),
        ({"amount": "1.00", "currency": "EUR"}, RefusalCode.CURRENCY_MISMATCH, "amount"),
        ({"description": "x" * 281}, RefusalCode.INVALID_INPUT, "description"),
        ({"key": "Schlüssel"}, RefusalCode.IDEMPOTENCY_KEY_INVALID, "idempotencyKey"),
    ],
)
async def test_bad_input_is_refused_and_records_nothing(shop: Shop, more: dict[str, Any], code: RefusalCode, field: str) -> None:
    original = await shop.paid()
    before = await shop.bank.count("transactions")
    assert codes(await shop.reverse(original, **more)) == [(code, ("input", field))]
    assert await shop.bank.count("transactions") == before


async def test_one_who_has_spent_it_is_refused_and_a_new_key_can_try_again(shop: Shop, settings: Settings) -> None:
    original, key = await shop.paid(), new_key()
    await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "14.00")
    refused = await shop.reverse(original, key=key)
    assert codes(refused) == [(RefusalCode.INSUFFICIENT_FUNDS, ("input", "amount"))]
    (refusal,) = refused.result.refusals
    assert refusal.available is not None
    assert refusal.required is not None
    assert (refusal.available.amount, refusal.required.amount) == ("1.00", "10.00")
    assert refused.result.transaction is not None
    assert refused.result.transaction.status is TransactionStatus.FAILED
    await shop.bank.pay(shop.alice, shop.mine, shop.theirs, "20.00")
    assert codes(await shop.reverse(original, key=key)) == codes(refused)
    assert (await shop.reverse(original)).result.refusals == ()
    assert await verify(settings) == []


async def test_a_frozen_wallet_gives_nothing_back(shop: Shop) -> None:
    original = await shop.paid()
    for wallet_id in (shop.theirs, shop.mine):
        await set_status(shop, wallet_id, WalletStatus.FROZEN)
        assert codes(await shop.reverse(original)) == [(RefusalCode.WALLET_NOT_ACTIVE, ("input", "transactionId"))]
        await set_status(shop, wallet_id, WalletStatus.ACTIVE)
    assert (await shop.reverse(original)).result.refusals == ()


async def set_status(shop: Shop, wallet_id: str, status: WalletStatus) -> None:
    changed = await set_wallet_status(shop.bank.engine, shop.admin, wallet_id, status, "a test", clock=system_clock)
    assert changed.refusals == ()


async def test_only_administrators_reverse_deposits_and_the_audit_log_says_so(
    shop: Shop, owner: asyncpg.Connection, settings: Settings
) -> None:
    carol = await shop.bank.viewer("carol")
    wallet_id = await shop.bank.wallet(carol, balance="20.00")
    async with shop.bank.engine.connect() as connection:
        query = "SELECT id FROM transactions WHERE type = 'DEPOSIT' ORDER BY id DESC LIMIT 1"
        deposit_id = (await connection.exec_driver_sql(query)).scalar_one()
    (deposit,) = (await reading.load_transactions(shop.bank.engine, shop.admin, [deposit_id])).values()
    assert codes(await shop.reverse(deposit, viewer=carol))[0][0] is RefusalCode.NOT_REVERSIBLE
    found = await shop.reverse(deposit, "15.00", viewer=shop.admin, reason=ReversalReason.MISTAKE, description="typed twice")
    assert found.result.refusals == ()
    assert found.result.transaction is not None
    assert await shop.bank.balance(wallet_id) == 500
    (row,) = await owner.fetch("SELECT * FROM audit_log WHERE action = 'REVERSAL'")
    assert (row["actor_id"], row["subject_id"], row["reason"]) == (shop.admin.user_id, deposit.id, "typed twice")
    assert '"why": "MISTAKE"' in row["after"]
    await shop.reverse(await shop.paid(), viewer=shop.bob)
    assert await owner.fetchval("SELECT count(*) FROM audit_log WHERE action = 'REVERSAL'") == 1
    assert await verify(settings) == []


@pytest.mark.parametrize("payer", FeePayer)
@pytest.mark.parametrize("parts", [["10.00"], ["3.33", "3.33", "3.34"], ["0.01", "9.99"], ["5.00", "4.99", "0.01"]])
async def test_parts_give_every_balance_back_exactly_with_the_fee(
    shop: Shop, settings: Settings, payer: FeePayer, parts: list[str]
) -> None:
    before = await shop.balances()
    await shop.charge(payer)
    original = await shop.paid()
    assert await shop.balances() != before
    for part in parts:
        assert (await shop.reverse(original, part)).result.refusals == ()
    assert await shop.balances() == before
    assert await verify(settings) == []


async def test_one_who_paid_a_fee_out_of_what_arrived_needs_no_more_than_what_arrived(shop: Shop, settings: Settings) -> None:
    await shop.charge(FeePayer.RECEIVER)
    original = await shop.paid("50.00")
    # Bob keeps what arrived of it, and no more.
    available = await shop.bank.balance(shop.theirs) - (5000 - 175)
    details = TransferInput(new_key(), shop.theirs, shop.mine, f"{available / 100:.2f}", "USD", max_fee=("1.00", "USD"))
    assert (await transfer(shop.bank.ledger, shop.bob, details)).refusals == ()
    found = await shop.reverse(original)
    assert found.result.refusals == ()
    assert [(entry.amount, entry.purpose) for entry in found.result.entries] == [
        (-175, EntryPurpose.FEE),
        (175, EntryPurpose.FEE),
        (-5000, EntryPurpose.PRINCIPAL),
        (5000, EntryPurpose.PRINCIPAL),
    ]
    assert await shop.bank.balance(shop.theirs) == 0
    assert await verify(settings) == []


async def test_a_fee_that_is_kept_stays_and_a_later_part_gives_back_its_own_part(shop: Shop, settings: Settings) -> None:
    await shop.charge()
    original = await shop.paid()
    assert await shop.balances() == (8941, 1500, 59)
    await shop.reverse(original, "5.00", fees=KEEP)
    assert await shop.balances() == (9441, 1000, 59)
    await shop.reverse(original, "5.00", fees=PROPORTIONAL)
    assert await shop.balances() == (9970, 500, 30)
    assert await verify(settings) == []


async def test_an_administrator_may_let_the_wallet_go_below_zero(
    shop: Shop, owner: asyncpg.Connection, settings: Settings
) -> None:
    original = await shop.paid()
    await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "15.00")
    with pytest.raises(Forbidden):
        await shop.reverse(original, allow_overdraft=True)
    found = await shop.reverse(original, viewer=shop.admin, allow_overdraft=True, reason=ReversalReason.FRAUD)
    assert found.result.refusals == ()
    assert await shop.bank.balance(shop.theirs) == -1000
    assert await owner.fetchval("SELECT after->>'allow_overdraft' FROM audit_log WHERE action = 'REVERSAL'") == "true"
    # Money still comes in, none goes out, and above zero the wallet is as any other.
    await shop.bank.pay(shop.alice, shop.mine, shop.theirs, "4.00")
    assert await shop.bank.balance(shop.theirs) == -600
    refused = await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "0.01")
    assert [refusal.code for refusal in refused.refusals] == [RefusalCode.INSUFFICIENT_FUNDS]
    assert await verify(settings) == []
    await shop.bank.pay(shop.alice, shop.mine, shop.theirs, "7.00")
    assert not await owner.fetchval("SELECT bool_or(overdrawn) FROM wallets")
    assert await verify(settings) == []


async def test_fifty_racing_reversals_over_two_processes_never_exceed_the_amount(
    shop: Shop, ledgers: list[Ledger], settings: Settings
) -> None:
    await shop.charge()
    original = await shop.paid("20.00")
    before = await shop.balances()
    tries = [shop.reverse(original, "0.97", ledger=ledgers[number % 2]) for number in range(50)]
    results = await asyncio.gather(*tries)
    settled = [one for one in results if not one.result.refusals]
    assert len(settled) == 20
    assert {codes(one)[0][0] for one in results if one.result.refusals} == {RefusalCode.REVERSAL_EXCEEDS_REMAINING}
    rest = await asyncio.gather(*(shop.reverse(original, ledger=ledgers[number % 2]) for number in range(10)))
    assert [one.result.transaction.amount for one in rest if one.result.transaction is not None] == [60]
    after = await shop.balances()
    assert (after[0] - before[0], after[1] - before[1], after[2] - before[2]) == (2000 + 88, -2000, -88)
    assert await verify(settings) == []


async def test_random_parts_give_every_balance_back_exactly(shop: Shop, ledgers: list[Ledger], settings: Settings) -> None:
    chosen = random.Random(7)
    before = await shop.balances()
    await shop.charge(percent="3.7", flat=("0.13", "USD"))
    originals = [await shop.paid(f"{chosen.randrange(100, 900) / 100:.2f}") for _ in range(5)]
    for original in originals:
        left, parts = original.amount, []
        while left:
            part = min(left, chosen.randrange(1, 200))
            parts.append(part)
            left -= part
        results = await asyncio.gather(
            *(shop.reverse(original, f"{part / 100:.2f}", ledger=chosen.choice(ledgers)) for part in parts)
        )
        assert all(one.result.refusals == () for one in results)
    assert await shop.balances() == before
    assert await verify(settings) == []


async def test_a_failed_reversal_is_shown_to_its_initiator_alone(shop: Shop) -> None:
    original = await shop.paid()
    await shop.bank.pay(shop.bob, shop.theirs, shop.mine, "15.00")
    refused = await shop.reverse(original)
    assert refused.result.transaction is not None
    for viewer, expected in (
        (shop.bob, [refused.result.transaction.id]),
        (shop.alice, []),
        (shop.admin, [refused.result.transaction.id]),
    ):
        page = await reading.reversals_of(shop.bank.engine, viewer, original, PageRequest())
        assert [one.id for one in page.items] == expected
