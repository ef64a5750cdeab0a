"""`paycore verify` finds each corruption of a reversal by name, with its own arithmetic."""

from __future__ import annotations

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.records import FeeReversal, ReversalReason
from app.services.fee_schedules import publish
from app.services.reversals import ReversalInput, reverse_transaction
from app.services.transfers import TransferInput, transfer
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.fee_input import fee_input
from tests.invariants.conftest import bank, other_bank, owner

__all__ = ["bank", "other_bank", "owner"]

SUMS = "Of transaction {paid} {recorded} of the fee are recorded as given back, but its reversals sum to {found} of 59."
NO_ORIGINAL = (
    "Transaction {back} reverses {original}, which is no completed transfer, capture, deposit or conversion between its wallets."
)
NOT_BACK = "Entries of reversal {back} do not give back 333, with {fee} of the fee, between the original's wallets."
CORRUPTIONS = {
    # The corruption; what verify says about it.
    "another original": (
        "UPDATE transactions SET reverses_id = {deposit} WHERE id = {back}",
        NO_ORIGINAL.replace("{original}", "{deposit}"),
    ),
    "an original that failed": (
        """
        UPDATE transactions SET status = 'FAILED', failure_code = 'BATCH_ABORTED', completed_at = NULL, fee = NULL,
        fee_schedule_id = NULL WHERE id = {paid}
        """,
        NO_ORIGINAL.replace("{original}", "{paid}"),
    ),
    "another amount": (
        "UPDATE ledger_entries SET amount = amount + sign(amount)::int WHERE transaction_id = {back} AND leg > 1",
        NOT_BACK.replace("{fee}", "19"),
    ),
    "another part of the fee": (
        "UPDATE ledger_entries SET amount = amount + sign(amount)::int WHERE transaction_id = {back} AND leg < 2",
        NOT_BACK.replace("{fee}", "19"),
    ),
    "a fee that was to be kept": (
        """UPDATE transactions SET terms = jsonb_set(terms, '{{reversal,fees}}', '"KEEP"') WHERE id = {back}""",
        NOT_BACK.replace("{fee}", "0"),
    ),
    "a fee that went to another wallet": (
        """
        UPDATE ledger_entries SET wallet_id = (SELECT receiver_wallet_id FROM transactions WHERE id = {paid}), sequence = 99
        WHERE transaction_id = {back} AND leg = 1
        """,
        NOT_BACK.replace("{fee}", "19"),
    ),
    "more recorded than given back": (
        "UPDATE reversed_amounts SET reversed = 334",
        SUMS.replace("{recorded}", "334 and 19").replace("{found}", "333 of 1000 and 19"),
    ),
    "nothing recorded": (
        "DELETE FROM reversed_amounts",
        SUMS.replace("{recorded}", "0 and 0").replace("{found}", "333 of 1000 and 19"),
    ),
    "a wallet marked as overdrawn": (
        """
        ALTER TABLE wallets DROP CONSTRAINT wallets_available_not_negative;
        UPDATE wallets SET overdrawn = true WHERE id = {alice}
        """,
        "Wallet {alice} is marked as overdrawn, but has 9293 available.",
    ),
    "a wallet below zero that no reversal overdrew": (
        "UPDATE wallets SET overdrawn = true, balance = -5 WHERE id = {alice}",
        "Wallet {alice} of a user has -5 available, below zero.",
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_each_corruption_of_a_reversal_is_reported(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, kind: str
) -> None:
    alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
    mine, theirs = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    assert (await publish(bank.engine, admin, fee_input(), bank.currencies, system_clock)).schedule is not None
    details = TransferInput(new_key(), mine, theirs, "10.00", "USD", max_fee=("1.00", "USD"))
    paid = (await transfer(bank.ledger, alice, details)).transaction
    assert paid is not None
    undo = ReversalInput(new_key(), ids.encode("txn", paid.id), ReversalReason.REFUND, ("3.33", "USD"), FeeReversal.PROPORTIONAL)
    back = (await reverse_transaction(bank.ledger, bob, undo)).result.transaction
    assert back is not None
    assert await verify(settings) == []
    deposit = await owner.fetchval("SELECT id FROM transactions WHERE type = 'DEPOSIT'")
    rows = {"paid": paid.id, "back": back.id, "deposit": deposit, "alice": ids.decode("wal", mine)}
    for table in ("ledger_entries", "transactions", "wallets", "reversed_amounts"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    corruption, expected = CORRUPTIONS[kind]
    await owner.execute(corruption.format(**{name: f"'{id_}'" for name, id_ in rows.items()}))
    names = {name: ids.encode("wal" if name == "alice" else "txn", id_) for name, id_ in rows.items() if id_ is not None}
    assert expected.format(**names) in await verify(settings)
