"""Statements that keep every rule are accepted in plain SQL, as the service's role."""

from __future__ import annotations

import asyncpg
import pytest

from app.services.verification import verify
from app.settings import Settings
from tests.invariants.small_ledger import (
    AT,
    NEW,
    PAYMENT,
    PENDING,
    ROLE,
    A,
    B,
    E,
    G,
    entries,
    fingerprint,
    posting,
    transaction,
    uid,
    write_small_ledger,
)

FROM_A, TO_B = (A, 3, -100, 7000), (B, 2, 100, 3000)


@pytest.fixture(autouse=True)
async def small_ledger(owner: asyncpg.Connection) -> None:
    await write_small_ledger(owner)


async def test_statements_that_keep_every_rule_are_accepted(owner: asyncpg.Connection, settings: Settings) -> None:
    async with owner.transaction():
        await owner.execute(f"SET LOCAL ROLE {ROLE}")
        await owner.execute(transaction() + PAYMENT)
        await owner.execute(f"UPDATE transactions SET status = 'COMPLETED', completed_at = {AT} WHERE id = {uid(PENDING)}")
        await owner.execute(entries((A, 4, -100, 6900), (B, 3, 100, 3100), number=PENDING))
        await owner.execute(f"UPDATE wallets SET held = 6800 WHERE id = {A}")
    assert await _wallet(owner, A) == (6800, 4, 2)
    assert await _wallet(owner, B) == (3200, 3, 1)
    assert await verify(settings) == []


async def test_a_refused_transaction_may_name_wallets_in_other_currencies(owner: asyncpg.Connection) -> None:
    refused = transaction(currency="'JPY'", receiver_wallet_id=G, status="'FAILED'", failure_code="'CURRENCY_MISMATCH'")
    await owner.execute(f"SET ROLE {ROLE}; {refused}")
    assert await owner.fetchval(f"SELECT failure_code FROM transactions WHERE id = {uid(NEW)}") == "CURRENCY_MISMATCH"


async def test_a_pending_transaction_may_fail(owner: asyncpg.Connection) -> None:
    await owner.execute(f"SET ROLE {ROLE}")
    failed = f"UPDATE transactions SET status = 'FAILED', failure_code = 'INSUFFICIENT_FUNDS' WHERE id = {uid(PENDING)}"
    assert await owner.execute(failed) == "UPDATE 1"


async def test_a_transaction_may_have_many_legs_if_each_currency_sums_to_zero(owner: asyncpg.Connection) -> None:
    await owner.execute(f"SET ROLE {ROLE}")
    await owner.execute(posting(FROM_A, TO_B, (E, 2, -50, 5000), (G, 1, 50, 0)))
    assert await _wallet(owner, E) == (4950, 2, 1)
    assert await _wallet(owner, G) == (50, 1, 1)


async def test_a_balance_never_overflows(owner: asyncpg.Connection) -> None:
    most = 2**63 - 1
    before = await fingerprint(owner)
    for balance_after in (-10, 10):
        legs = (A, 3, -most, 7000), (B, 2, most, 3000)
        # Which rule comes first depends on the order in which the trigger reads the rows.
        with pytest.raises((asyncpg.NumericValueOutOfRangeError, asyncpg.CheckViolationError)):
            await owner.execute(transaction(amount=str(most)) + entries(*legs, balance_after=balance_after))
    assert await fingerprint(owner) == before


async def test_a_version_counts_changes_and_cannot_be_set(owner: asyncpg.Connection) -> None:
    await owner.execute(f"UPDATE wallets SET version = 9 WHERE id = {A}")
    assert await _wallet(owner, A) == (7000, 2, 1)
    await owner.execute(f"UPDATE wallets SET version = 9, name = 'Another' WHERE id = {A}")
    assert await _wallet(owner, A) == (7000, 2, 2)


async def _wallet(owner: asyncpg.Connection, wallet_id: str) -> tuple[int, int, int]:
    row = await owner.fetchrow(f"SELECT balance, sequence, version FROM wallets WHERE id = {wallet_id}")
    assert row is not None
    return row["balance"], row["sequence"], row["version"]
