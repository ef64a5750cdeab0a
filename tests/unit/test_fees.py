"""Fees: exact, rounded once, explained, and by the version that is valid at the moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import MAX_MINOR
from app.records import FeePayer, FeeSchedule, RoundingMode, TransactionType
from app.services.fees import FeeBook, explain, fee_of

MOMENT = datetime(2026, 5, 4, tzinfo=UTC)
ALICE = UUID(int=1)


def schedule(number: int = 1, **changes: Any) -> FeeSchedule:
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "number": number,
        "name": "Card fee",
        "version": number,
        "transaction_type": TransactionType.TRANSFER,
        "currency": "USD",
        "user_id": None,
        "payer": FeePayer.SENDER,
        "percent": None,
        "flat": None,
        "minimum": None,
        "maximum": None,
        "rounding": RoundingMode.HALF_EVEN,
        "valid_from": MOMENT,
    }
    return FeeSchedule(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "amount", "fee", "explanation"),
    [
        ({"percent": Decimal("2.9"), "flat": 30}, 10_000, 320, "2.9 % of 100.00 + 0.30 = 3.20"),
        ({"flat": 25}, 1, 25, "0.25 = 0.25"),
        ({"percent": Decimal("1.50"), "minimum": 50}, 1_000, 50, "1.5 % of 10.00, at least 0.50 = 0.50"),
        ({"percent": Decimal(10), "maximum": 99}, 10_000, 99, "10 % of 100.00, at most 0.99 = 0.99"),
        ({}, 10_000, 0, "no fee = 0.00"),
        ({"percent": Decimal(0)}, 10_000, 0, "0 % of 100.00 = 0.00"),
        ({"percent": Decimal("0.5"), "rounding": RoundingMode.UP}, 1, 1, "0.5 % of 0.01 = 0.01"),
        ({"percent": Decimal("0.5"), "rounding": RoundingMode.DOWN}, 199, 0, "0.5 % of 1.99 = 0.00"),
        ({"percent": Decimal("0.5")}, 100, 0, "0.5 % of 1.00 = 0.00"),
        ({"percent": Decimal("0.5")}, 300, 2, "0.5 % of 3.00 = 0.02"),
    ],
)
def test_a_fee_is_computed_and_explained(changes: dict[str, Any], amount: int, fee: int, explanation: str) -> None:
    made = schedule(**changes)
    assert fee_of(made, amount) == fee
    assert explain(made, amount, 2) == explanation


@given(st.integers(1, MAX_MINOR), st.decimals(0, 100, places=6), st.sampled_from(RoundingMode))
def test_a_rounded_fee_differs_from_the_exact_one_by_less_than_a_minor_unit(
    amount: int, percent: Decimal, rounding: RoundingMode
) -> None:
    exact, fee = Fraction(percent) * amount / 100, fee_of(schedule(percent=percent, rounding=rounding), amount)
    assert abs(exact - fee) < 1
    if rounding is RoundingMode.UP:
        assert fee >= exact
    elif rounding is RoundingMode.DOWN:
        assert fee <= exact
    else:
        assert abs(exact - fee) <= Fraction(1, 2)


BOB = UUID(int=2)
WALLETS = {"USD": UUID(int=99)}


def valid_at(book: FeeBook, moment: datetime, sender: UUID = ALICE, receiver: UUID = BOB) -> FeeSchedule | None:
    return book.valid_at(moment, TransactionType.TRANSFER, "USD", sender=sender, receiver=receiver)


def test_a_version_is_valid_from_its_moment_until_the_next_ones() -> None:
    first, second = schedule(1, flat=1), schedule(2, flat=2, valid_from=MOMENT + timedelta(days=1))
    book = FeeBook([second, first], WALLETS)
    microsecond = timedelta(microseconds=1)
    assert valid_at(book, MOMENT - microsecond) is None
    assert valid_at(book, MOMENT) is first
    assert valid_at(book, second.valid_from - microsecond) is first
    assert valid_at(book, second.valid_from) is second


def test_a_senders_own_schedule_is_preferred_from_its_first_version_on() -> None:
    general = schedule(1, flat=9)
    own = schedule(2, user_id=ALICE, valid_from=MOMENT + timedelta(hours=1))
    book = FeeBook([general, own], WALLETS)
    later = MOMENT + timedelta(hours=2)
    assert valid_at(book, MOMENT) is general
    assert valid_at(book, later) is own
    assert valid_at(book, later, sender=BOB, receiver=ALICE) is general


def test_a_receivers_own_schedule_counts_where_the_receiver_pays_and_after_the_senders() -> None:
    general = schedule(1, flat=9)
    merchant = schedule(2, user_id=BOB, payer=FeePayer.RECEIVER)
    senders = schedule(3, user_id=ALICE)
    assert valid_at(FeeBook([general, merchant], WALLETS), MOMENT) is merchant
    assert valid_at(FeeBook([general, merchant], WALLETS), MOMENT, sender=BOB, receiver=ALICE) is general
    assert valid_at(FeeBook([general, merchant, senders], WALLETS), MOMENT) is senders


def test_a_book_names_the_fee_wallet_of_what_it_may_charge() -> None:
    book = FeeBook([schedule()], WALLETS)
    assert book.wallet_for(TransactionType.TRANSFER, "USD") == WALLETS["USD"]
    assert book.wallet_for(TransactionType.DEPOSIT, "USD") is None
    assert book.wallet_for(TransactionType.TRANSFER, "EUR") is None
    assert book.newest == 1
    assert valid_at(FeeBook(), MOMENT) is None
