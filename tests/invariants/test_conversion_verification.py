"""`paycore verify` finds each corruption of a quote, a conversion or its reversal by name, with its own arithmetic."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from app import ids
from app.records import ReversalReason
from app.services.reversals import ReversalInput, reverse_transaction
from app.services.verification import verify
from app.settings import Settings
from tests.bank import Bank, new_key
from tests.invariants.conftest import bank, other_bank, owner
from tests.services.exchange import Exchange

__all__ = ["bank", "other_bank", "owner"]

PREFIXES: dict[str, ids.Prefix] = {"paid": "txn", "back": "txn", "quote": "fxq", "bob": "usr"}
RATE = "The amounts of quote {quote} do not follow from its rate of {rate}."
ENTRIES = "Entries of conversion {paid} are not what its quote says."
BACK = "Entries of reversal {back} do not give back the parts of the conversion's entries."
MATCH = "Conversion {paid} does not match quote {quote}: another user's, another amount, or another fee."
CORRUPTIONS = {
    # The corruption; what verify says about it.
    "another rate": ("UPDATE fx_quotes SET rate = 320", RATE.replace("{rate}", "320")),
    "a target without its residue": ("UPDATE fx_quotes SET residue = 0", RATE.replace("{rate}", "310.5")),
    "a spread that is too small": ("UPDATE fx_quotes SET spread = 1, residue = 5", RATE.replace("{rate}", "310.5")),
    "a source that buys more than was asked for": (
        "UPDATE fx_quotes SET source_amount = 326, residue = 6",
        RATE.replace("{rate}", "310.5"),
    ),
    "an entry of another amount": (
        "UPDATE ledger_entries SET amount = amount + 1 WHERE transaction_id = {paid} AND leg = 2",
        ENTRIES,
    ),
    "an entry of another purpose": (
        "UPDATE ledger_entries SET purpose = 'FEE' WHERE transaction_id = {paid} AND purpose = 'SPREAD'",
        ENTRIES,
    ),
    "an entry in another wallet": (
        """
        UPDATE ledger_entries SET wallet_id = (SELECT id FROM wallets WHERE system_purpose = 'DEPOSITS' AND currency = 'USD'),
        sequence = 99 WHERE transaction_id = {paid} AND purpose = 'SPREAD'
        """,
        ENTRIES,
    ),
    "another amount than quoted": ("UPDATE transactions SET amount = 326 WHERE id = {paid}", MATCH),
    "another user's quote": ("UPDATE transactions SET initiator_id = {bob} WHERE id = {paid}", MATCH),
    "posted after its end": (
        "UPDATE fx_quotes SET expires_at = (SELECT completed_at FROM transactions WHERE id = {paid})",
        "Conversion {paid} was posted at ",
    ),
    "used twice": (
        """
        DROP INDEX transactions_quote_key;
        INSERT INTO transactions (id, initiator_id, idempotency_key, type, status, sender_wallet_id, receiver_wallet_id, amount,
            currency, created_at, completed_at, quote_id)
        SELECT gen_random_uuid(), initiator_id, 'twice', type, status, sender_wallet_id, receiver_wallet_id, amount,
            currency, created_at, completed_at, quote_id FROM transactions WHERE id = {paid}
        """,
        "Quote {quote} was used 2 times.",
    ),
    "a part that goes back at another rate": (
        "UPDATE ledger_entries SET amount = amount + sign(amount)::int WHERE transaction_id = {back} AND leg IN (0, 2)",
        BACK,
    ),
    "a part of the spread that is kept": (
        "DELETE FROM ledger_entries WHERE transaction_id = {back} AND purpose = 'SPREAD'",
        BACK,
    ),
}


@pytest.fixture
async def names(bank: Bank, settings: Settings) -> dict[str, str]:
    """A payment of 3.25 dollars for 1000 yen with a residue of 2, of which 2.00 dollars have gone back."""
    exchange = await Exchange(bank, settings).build()
    await exchange.set_rate("USD", "JPY", "310.5", spread=50)
    quote = await exchange.quote("USD", "JPY", "1000", fixes_target=True)
    paid = (await exchange.pay(quote)).transaction
    assert paid is not None
    details = ReversalInput(new_key(), ids.encode("txn", paid.id), ReversalReason.REFUND, ("2.00", "USD"))
    back = (await reverse_transaction(bank.ledger, exchange.bob, details)).result.transaction
    assert back is not None
    return {"paid": str(paid.id), "back": str(back.id), "quote": str(quote.id), "bob": str(exchange.bob.user_id)}


@pytest.mark.parametrize(("corruption", "finding"), CORRUPTIONS.values(), ids=CORRUPTIONS)
async def test_each_corruption_is_found_by_name(
    owner: asyncpg.Connection, settings: Settings, names: dict[str, str], corruption: str, finding: str
) -> None:
    assert await verify(settings) == []
    for table in ("ledger_entries", "transactions", "fx_quotes", "wallets"):
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await owner.execute(corruption.format(**{name: f"'{value}'" for name, value in names.items()}))
    found = await verify(settings)
    shown = finding.format(**{name: ids.encode(PREFIXES[name], UUID(value)) for name, value in names.items()})
    assert any(line.startswith(shown) for line in found), found


async def test_core_trigger_and_verify_round_parts_alike(owner: asyncpg.Connection) -> None:
    """The function of the trigger, against exact fractions of PostgreSQL's own numerics."""
    wrong = await owner.fetchval("""
        SELECT count(*) FROM generate_series(1, 60) AS whole, generate_series(0, 30) AS before, generate_series(1, 17) AS now
        WHERE part_given_back(whole, before, now, 47, true)
              <> ceil(whole * (before + now) / 47.0) - ceil(whole * before / 47.0)
           OR part_given_back(whole, before, now, 47, false)
              <> floor(whole * (before + now) / 47.0) - floor(whole * before / 47.0)
    """)
    assert wrong == 0
