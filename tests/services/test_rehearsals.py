"""Rehearsals: what is previewed is what happens, and nothing remains of the preview."""

from __future__ import annotations

import random

import asyncpg
import pytest

from app.access.viewer import Viewer
from app.clock import system_clock
from app.errors import Forbidden, RefusalCode
from app.records import EntryDirection, EntryPurpose, WalletStatus
from app.services.conditions import ConditionInput
from app.services.postings import LegInput, PostingInput, post_transaction
from app.services.quotas import QuotaChange, set_quota
from app.services.rehearsals import Preview, preview_posting, preview_transfer
from app.services.requests import ConditionKind
from app.services.transfers import TransferInput, TransferResult, transfer
from app.services.wallets import set_wallet_status
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.invariants.conftest import owner
from tests.invariants.test_fee_verification import publish_fee

__all__ = ["owner"]

COUNTS = ("transactions", "ledger_entries", "outbox", "audit_log", "transaction_wallets", "quotas", "quota_amounts")


def assert_same(preview: Preview, result: TransferResult) -> None:
    """Entries, but for what only a posting has (ids and times), or the refusal."""
    seen, done = (
        [(entry.wallet_id, entry.leg, entry.sequence, entry.amount, entry.balance_after, entry.purpose) for entry in entries]
        for entries in (preview.entries, result.entries)
    )
    assert seen == done
    assert preview.refusals == result.refusals
    assert (preview.replayed is not None) == result.replayed


async def rows(bank: Bank) -> dict[str, int]:
    return {table: await bank.count(table) for table in COUNTS}


async def test_previews_of_random_requests_are_their_results(bank: Bank) -> None:
    alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
    wallets = [await bank.wallet(owner, balance="20.00") for owner in (alice, alice, bob)]
    wallets += [await bank.wallet(alice, "EUR", balance="20.00"), await bank.wallet(bob), "wal_x"]
    await set_wallet_status(bank.engine, admin, wallets[4], WalletStatus.FROZEN, "test", clock=system_clock)
    choose = random.Random(11)
    codes = set()
    for number in range(150):
        if number == 50:
            await publish_fee(bank)
        if choose.random() < 0.6:
            transferred = random_transfer(choose, wallets)
            preview = await preview_transfer(bank.ledger, alice, transferred)
            result = await transfer(bank.ledger, alice, transferred)
        else:
            posting = random_posting(choose, wallets)
            preview = await preview_posting(bank.ledger, admin, posting)
            result = await post_transaction(bank.ledger, admin, posting)
        assert_same(preview, result)
        codes |= {refusal.code for refusal in result.refusals} | ({"replayed"} if result.replayed else set())
    assert codes >= {
        "replayed",
        RefusalCode.INSUFFICIENT_FUNDS,
        RefusalCode.WALLET_NOT_FOUND,
        RefusalCode.WALLET_NOT_ACTIVE,
        RefusalCode.CURRENCY_MISMATCH,
        RefusalCode.CONDITION_FAILED,
        RefusalCode.IDEMPOTENCY_KEY_REUSED,
        RefusalCode.FEE_EXCEEDS_LIMIT,
    }


def random_transfer(choose: random.Random, wallets: list[str]) -> TransferInput:
    sender, receiver = choose.sample(wallets, 2)
    conditions = [ConditionInput(ConditionKind.SEQUENCE_IS, wallets[0], sequence=choose.randint(1, 4))]
    key = f"k{choose.randint(1, 30)}"
    amount = choose.choice(["1.00", "2.50", "50.00"])
    max_fee = choose.choice([None, ("0.10", "USD"), ("9.00", "USD"), ("9.00", "USD")])
    conditions = conditions if choose.random() < 0.3 else []
    return TransferInput(key, sender, receiver, amount, "USD", conditions=conditions, max_fee=max_fee)


def random_posting(choose: random.Random, wallets: list[str]) -> PostingInput:
    sender, receiver, third = choose.sample(wallets[:5], 3)
    legs = (
        LegInput(sender, EntryDirection.DEBIT, "3.00", "USD"),
        LegInput(receiver, EntryDirection.CREDIT, "2.75", "USD"),
        LegInput(third, EntryDirection.CREDIT, "0.25", "USD", EntryPurpose.FEE),
    )
    return PostingInput(f"p{choose.randint(1, 30)}", legs)


async def test_nothing_remains_of_a_preview(bank: Bank, settings: Settings) -> None:
    alice, admin = await bank.viewer("alice"), await bank.viewer("admin", admin=True)
    mine, theirs = await bank.wallet(alice, balance="20.00"), await bank.wallet(await bank.viewer("bob"))
    await set_quota(settings, "alice", QuotaChange(transfers_per_day=1), "test")
    before = await rows(bank)
    for amount in ("1.00", "99.00"):
        await preview_transfer(bank.ledger, alice, TransferInput("k", mine, theirs, amount, "USD"))
    legs = LegInput(mine, EntryDirection.DEBIT, "1.00", "USD"), LegInput(theirs, EntryDirection.CREDIT, "1.00", "USD")
    await preview_posting(bank.ledger, admin, PostingInput("k", legs))
    assert await rows(bank) == before
    assert await bank.balance(mine) == 2000
    paid = await bank.pay(alice, mine, theirs, key="k")
    assert (paid.refusals, paid.replayed) == ((), False)
    over = await preview_transfer(bank.ledger, alice, TransferInput(new_key(), mine, theirs, "1.00", "USD"))
    assert [refusal.code for refusal in over.refusals] == [RefusalCode.QUOTA_EXCEEDED]


async def test_a_preview_does_not_wait_for_a_locked_wallet(bank: Bank, owner: asyncpg.Connection) -> None:
    alice = await bank.viewer("alice")
    mine, theirs = await bank.wallet(alice, balance="20.00"), await bank.wallet(await bank.viewer("bob"))
    async with owner.transaction():
        await owner.execute("SELECT FROM wallets FOR UPDATE")
        preview = await preview_transfer(bank.ledger, alice, TransferInput(new_key(), mine, theirs, "1.00", "USD"))
    assert [entry.amount for entry in preview.entries] == [-100, 100]


async def test_a_preview_needs_the_rights_of_what_it_previews(bank: Bank) -> None:
    reader: Viewer = await bank.viewer("alice", scopes=["wallets:read"])
    with pytest.raises(Forbidden):
        await preview_transfer(bank.ledger, reader, TransferInput(new_key(), "wal_x", "wal_y", "1.00", "USD"))
    with pytest.raises(Forbidden):
        await preview_posting(bank.ledger, await bank.viewer("alice"), PostingInput(new_key(), ()))
