"""`paycore verify` finds each corruption of a fee by name, with its own arithmetic."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.db import fee_sql
from app.records import RoundingMode
from app.services.fee_schedules import publish
from app.services.fees import fee_of
from app.services.transfers import TransferInput, transfer
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.fee_input import fee_input
from tests.invariants.conftest import bank, other_bank, owner

__all__ = ["bank", "other_bank", "owner"]

CORRUPTIONS = {
    # The corruption; what verify says about it.
    "another fee than is due": (
        "UPDATE transactions SET fee = 60 WHERE id = {paid}",
        "Transaction {paid} was charged 60, but version 1 of the fee schedule charges 59.",
    ),
    "a fee by no schedule": (
        "UPDATE transactions SET fee_schedule_id = {paid} WHERE id = {paid}",
        "Transaction {paid} was charged 59, but version 1 of the fee schedule charges 59.",
    ),
    "a fee that was forgotten": (
        "UPDATE transactions SET fee = NULL, fee_schedule_id = NULL WHERE id = {paid}",
        "Transaction {paid} was charged 0, but version 1 of the fee schedule charges 59.",
    ),
    "a schedule that was changed": (
        "UPDATE fee_schedules SET flat = 31",
        "Transaction {paid} was charged 59, but version 1 of the fee schedule charges 60.",
    ),
    "a schedule from later on": (
        "UPDATE fee_schedules SET valid_from = now() + interval '1 day'",
        "Transaction {paid} was charged 59, but version None of the fee schedule charges 0.",
    ),
    "a payer that was changed": (
        "UPDATE fee_schedules SET payer = 'RECEIVER'",
        "Entries of transaction {paid} do not post its fee of 59 from the payer to the fee wallet.",
    ),
    "another purpose": (
        "UPDATE ledger_entries SET purpose = 'OTHER' WHERE transaction_id = {paid} AND leg = 3",
        "Entries of transaction {paid} do not post its fee of 59 from the payer to the fee wallet.",
    ),
    "a fee that was not posted": (
        "DELETE FROM ledger_entries WHERE transaction_id = {paid} AND leg > 1",
        "Entries of transaction {paid} do not post its fee of 59 from the payer to the fee wallet.",
    ),
    "a wallet that is no fee wallet": (
        "UPDATE wallets SET system_purpose = 'OTHER' WHERE system_purpose = 'FEES'",
        "Entries of transaction {paid} do not post its fee of 59 from the payer to the fee wallet.",
    ),
}


async def publish_fee(bank: Bank, **changes: Any) -> None:
    """Publish 2.9 % + 0.30 at once, with these changes."""
    admin = await bank.viewer("admin", admin=True)
    assert (await publish(bank.engine, admin, fee_input(**changes), bank.currencies, system_clock)).schedule is not None


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_each_corruption_of_a_fee_is_reported(bank: Bank, owner: asyncpg.Connection, settings: Settings, kind: str) -> None:
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine, theirs = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob)
    await publish_fee(bank)
    details = TransferInput(new_key(), mine, theirs, "10.00", "USD", max_fee=("1.00", "USD"))
    paid = (await transfer(bank.ledger, alice, details)).transaction
    assert paid is not None
    assert await verify(settings) == []
    for table in ("ledger_entries", "transactions", "fee_schedules", "wallets"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    corruption, expected = CORRUPTIONS[kind]
    changed = await owner.execute(corruption.format(paid=f"'{paid.id}'"))
    assert not changed.endswith(" 0"), "the corruption hit something"
    assert expected.format(paid=ids.encode("txn", paid.id)) in await verify(settings)


@pytest.mark.parametrize("rounding", RoundingMode)
async def test_the_core_the_database_and_verification_compute_the_same_fees(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, rounding: RoundingMode
) -> None:
    await publish_fee(bank, percent="0.5", flat=None, rounding=rounding, minimum=("0.01", "USD"), maximum=("0.90", "USD"))
    rows = await owner.fetch(
        "SELECT amount, fee_of(f, amount) AS fee FROM fee_schedules f, generate_series(10, 20000, 10) AS amount"
    )
    ((schedule,), _) = await fee_sql.load(owner)
    assert {row["amount"]: row["fee"] for row in rows} == {row["amount"]: fee_of(schedule, row["amount"]) for row in rows}
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine, theirs = await bank.wallet(alice, balance="900.00"), await bank.wallet(bob)
    # Half a cent to round, an odd and an even one, a little more and less, below the minimum and above the maximum.
    for amount in ("1.00", "3.00", "5.00", "3.01", "2.99", "0.10", "190.00"):
        details = TransferInput(new_key(), mine, theirs, amount, "USD", max_fee=("1.00", "USD"))
        assert (await transfer(bank.ledger, alice, details)).refusals == ()
    assert await verify(settings) == []
