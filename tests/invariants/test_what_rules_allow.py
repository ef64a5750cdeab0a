"""Statements that keep every rule are accepted in plain SQL, as the service's role."""

from __future__ import annotations

import asyncpg
import pytest

from app.settings import Settings
from tests.invariants import fx_rules, statement_rules
from tests.invariants.hold_rules import TOO_LATE, ending
from tests.invariants.small_ledger import (
    AT,
    BOB,
    FEES,
    LAST,
    NEW,
    PAYMENT,
    PENDING,
    ROLE,
    A,
    B,
    E,
    G,
    capture,
    charged,
    entries,
    fee_schedule,
    findings,
    fingerprint,
    hold,
    hold_event,
    posting,
    reversal,
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
        await owner.execute(hold(6800))
    assert await _wallet(owner, A) == (6800, 4, 2)
    assert await _wallet(owner, B) == (3200, 3, 1)
    assert await findings(owner, settings) == []


@pytest.mark.parametrize("sql", [case[1] for case in fx_rules.ALLOWED], ids=[case[0] for case in fx_rules.ALLOWED])
async def test_what_the_rules_of_exchange_allow(owner: asyncpg.Connection, settings: Settings, sql: str) -> None:
    await owner.execute(f"SET LOCAL ROLE {ROLE}; {sql}")
    assert await findings(owner, settings) == []


async def test_a_statement_follows_another_and_becomes_ready(owner: asyncpg.Connection, settings: Settings) -> None:
    await owner.execute(f"SET ROLE {ROLE}; {statement_rules.FIRST} {statement_rules.FILES}")
    await owner.execute(statement_rules.change(**statement_rules.FINISH))
    await owner.execute(statement_rules.statement(0x501, **statement_rules.SECOND))
    await owner.execute("RESET ROLE")
    # Its files are no compressed content.
    assert [sentence.partition(" file of")[0] for sentence in await findings(owner, settings)] == [
        f"The {name}" for name in statement_rules.FORMATS
    ]


async def test_a_hold_may_be_captured_released_extended_and_expire(owner: asyncpg.Connection, settings: Settings) -> None:
    await owner.execute(f"SET ROLE {ROLE}")
    await owner.execute(ending(7000))
    await owner.execute(capture() + hold_event(2, "CAPTURED", captured=100) + PAYMENT)
    assert await _held(owner) == 6900
    await owner.execute(hold_event(3, "RELEASED", released=900))
    await owner.execute(hold_event(4, "EXTENDED", placed=500, expires_at=TOO_LATE))
    assert await _held(owner) == 6500
    await owner.execute(hold_event(5, "EXPIRED", released=6500, at=TOO_LATE))
    assert await _held(owner) == 0
    await owner.execute("RESET ROLE")
    assert await findings(owner, settings) == []


async def test_a_late_capture_may_take_what_is_available(owner: asyncpg.Connection, settings: Settings) -> None:
    await owner.execute(f"SET ROLE {ROLE}")
    await owner.execute(hold() + hold_event(2, "RELEASED", released=100))
    await owner.execute(capture() + hold_event(3, "CAPTURED_LATE", captured=100, released=-100) + PAYMENT)
    assert (await _wallet(owner, A))[0] == 6900
    await owner.execute("RESET ROLE")
    assert await findings(owner, settings) == []


async def _held(owner: asyncpg.Connection) -> int:
    held: int = await owner.fetchval(f"SELECT held FROM wallets WHERE id = {A}")
    return held


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


async def test_a_payment_goes_back_in_parts_with_its_fee(owner: asyncpg.Connection, settings: Settings) -> None:
    await owner.execute(fee_schedule(flat="31") + charged((A, 4, -31, 6900), (FEES, 1, 31, 0), fee="31"))
    # The small ledger's payment is of a later day than this schedule, and was not charged.
    before = await findings(owner, settings)
    await owner.execute(f"SET ROLE {ROLE}")
    named = ("FEE", "FEE", "PRINCIPAL", "PRINCIPAL")
    for part, (sequence, back, fee) in enumerate([(2, 33, 10), (3, 33, 10), (4, 34, 11)]):
        kept, paid, left = 100 - 33 * part, 6869 + 43 * part, 31 - 10 * part
        legs = (
            (FEES, sequence, -fee, left), (A, 3 + 2 * part + 2, fee, paid),
            (B, 3 + part, -back, 3000 + kept), (A, 3 + 2 * part + 3, back, paid + fee),
        )  # fmt: skip
        number = LAST + part * 0x1000
        await owner.execute(
            reversal(*legs, number=number, fees="PROPORTIONAL", amount=str(back), reverses_id=uid(NEW), purposes=named)
        )
    assert await _wallet(owner, A) == (7000, 10, 1)
    assert await _wallet(owner, B) == (3000, 5, 1)
    (state,) = await owner.fetch("SELECT reversed, reversed_with_fee, fee_reversed FROM reversed_amounts")
    assert tuple(state) == (100, 100, 31)
    assert await findings(owner, settings) == before


async def test_a_reversal_may_overdraw_a_wallet_if_it_says_so(owner: asyncpg.Connection, settings: Settings) -> None:
    await owner.execute(f"SET ROLE {ROLE}")
    spent = transaction(LAST, initiator_id=BOB, sender_wallet_id=B, receiver_wallet_id=A, amount="2950")
    await owner.execute(spent + entries((B, 2, -2950, 3000), (A, 3, 2950, 7000), number=LAST))
    await owner.execute(reversal((B, 3, -100, 50), (A, 4, 100, 9950), overdraft=True))
    assert await _wallet(owner, B) == (-50, 3, 1)
    assert await owner.fetchval(f"SELECT overdrawn FROM wallets WHERE id = {B}")
    assert await findings(owner, settings) == []


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
