"""`paycore verify` finds each corruption of a posting, and of a transfer with further entries, by name."""

from __future__ import annotations

import asyncpg
import pytest

from app import ids
from app.clock import system_clock
from app.records import AccountType, EntryDirection, EntryPurpose
from app.services.postings import LegInput, PostingInput, post_transaction
from app.services.verification import verify
from app.services.wallets import SystemWalletInput, open_system_wallet
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.invariants.conftest import bank, other_bank, owner

__all__ = ["bank", "other_bank", "owner"]


@pytest.fixture
async def names(bank: Bank) -> dict[str, str]:
    """A posting of three legs, and a transfer: their public ids and those of the wallets."""
    alice, bob, admin = await bank.viewer("alice"), await bank.viewer("bob"), await bank.viewer("admin", admin=True)
    a, b, c = await bank.wallet(alice, balance="100.00"), await bank.wallet(bob), await bank.wallet(bob)
    details = SystemWalletInput("USD", "FEES", AccountType.INCOME, "Fees", "test")
    fees = (await open_system_wallet(bank.engine, admin, details, bank.currencies, system_clock)).wallet
    assert fees is not None
    f = ids.encode("wal", fees.id)
    legs = (
        LegInput(a, EntryDirection.DEBIT, "10.00", "USD"),
        LegInput(b, EntryDirection.CREDIT, "9.75", "USD"),
        LegInput(f, EntryDirection.CREDIT, "0.25", "USD", EntryPurpose.FEE),
    )
    posted = (await post_transaction(bank.ledger, admin, PostingInput(new_key(), legs))).transaction
    paid = (await bank.pay(alice, a, b, "1.00")).transaction
    assert posted is not None
    assert paid is not None
    return {"a": a, "b": b, "c": c, "f": f, "posted": ids.encode("txn", posted.id), "paid": ids.encode("txn", paid.id)}


CORRUPTIONS = {
    # The corruption; what verify says about it.
    "another purpose than a leg's": (
        "UPDATE ledger_entries SET purpose = 'OTHER' WHERE transaction_id = {posted} AND leg = 2",
        "Entries of posting {posted} are not its legs.",
    ),
    "another amount than a leg's": (
        "UPDATE transactions SET terms = jsonb_set(terms, '{{legs,1,1}}', '974') WHERE id = {posted}",
        "Entries of posting {posted} are not its legs.",
    ),
    "an entry fewer than legs": (
        "DELETE FROM ledger_entries WHERE transaction_id = {posted} AND leg = 2",
        "Entries of posting {posted} are not its legs.",
    ),
    "a leg removed from the terms": (
        "UPDATE transactions SET terms = terms #- '{{legs,2}}' WHERE id = {posted}",
        "Entries of posting {posted} are not its legs.",
    ),
    "a wallet missing from a list": (
        "DELETE FROM transaction_wallets WHERE wallet_id = {f}",
        "Transaction {posted} is in the list of wallet {f} with the sign None, but its entries have 1.",
    ),
    "a wallet in a list without an entry": (
        "INSERT INTO transaction_wallets VALUES ({c}, {posted}, 1)",
        "Transaction {posted} is in the list of wallet {c} with the sign 1, but its entries have None.",
    ),
    "another sign than the entries'": (
        "UPDATE transaction_wallets SET change = 1 WHERE wallet_id = {a}",
        "Transaction {posted} is in the list of wallet {a} with the sign 1, but its entries have -1.",
    ),
    "a principal that is called a fee": (
        "UPDATE ledger_entries SET purpose = 'FEE' WHERE transaction_id = {paid} AND leg = 0",
        "Entries of transaction {paid} do not match it: 100 USD from sender to receiver.",
    ),
    "a further entry in a third user's wallet": (
        (
            "INSERT INTO ledger_entries (wallet_id, sequence, transaction_id, leg, amount, balance_after, created_at, purpose) "
            "VALUES ({c}, 1, {paid}, 2, 5, 5, now(), 'FEE')"
        ),
        "Entry 2 of transaction {paid} is in wallet {c}, which is neither a side of it nor the system's.",
    ),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
async def test_each_corruption_is_reported(
    names: dict[str, str], owner: asyncpg.Connection, settings: Settings, kind: str
) -> None:
    assert await verify(settings) == []
    corruption, expected = CORRUPTIONS[kind]
    for table in ("ledger_entries", "transactions", "transaction_wallets"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    in_sql = {
        name: f"'{uuid_of(value) if value.startswith('wal') else ids.decode('txn', value)}'" for name, value in names.items()
    }
    changed = await owner.execute(corruption.format_map(in_sql))
    assert not changed.endswith(" 0"), "the corruption hit something"
    findings = await verify(settings)
    assert expected.format_map(names) in findings
