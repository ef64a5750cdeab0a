"""Prices and rates: exact, rounded to the house's advantage, and without a loop that gains."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.records import FxRate
from app.services.fx import (
    BASIS_POINTS,
    MAX_SPREAD,
    PairRate,
    RateBook,
    factor_of,
    part_given_back,
    price_of_source,
    price_of_target,
)

EXPONENTS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "IDR": 2, "BHD": 3, "KRW": 0}
NOW = datetime(2026, 3, 1, tzinfo=UTC)

AMOUNTS = st.one_of(st.integers(1, 2_000), st.integers(1, 2**62))
RATES = st.decimals(min_value=Decimal("0.000000000000001"), max_value=Decimal(999999999), places=15).filter(lambda rate: rate > 0)
SPREADS = st.one_of(st.just(0), st.integers(0, 300), st.integers(0, MAX_SPREAD))
PAIRS = st.permutations(sorted(EXPONENTS)).map(lambda codes: (codes[0], codes[1]))


def rate(base: str, quote: str, value: str | Decimal, *, spread: int = 0, number: int = 1, source: str = "Test") -> FxRate:
    return FxRate(UUID(int=number), number, base, quote, Decimal(value), spread, source, NOW, None)


@settings(max_examples=600)
@given(PAIRS, RATES, AMOUNTS, SPREADS)
def test_a_fixed_source_delivers_what_the_rate_gives_and_not_a_unit_more(
    pair: tuple[str, str], value: Decimal, source: int, spread: int
) -> None:
    factor = factor_of(value, EXPONENTS[pair[0]], EXPONENTS[pair[1]])
    price = price_of_source(source, factor, spread)
    assert price.source == source
    assert price.residue == 0
    assert Fraction(source * spread, BASIS_POINTS) <= price.spread < Fraction(source * spread, BASIS_POINTS) + 1
    exact = (source - price.spread) * factor
    assert price.target <= exact < price.target + 1


@settings(max_examples=600)
@given(PAIRS, RATES, AMOUNTS, SPREADS)
def test_a_fixed_target_costs_the_least_that_buys_it_and_leaves_a_bounded_residue(
    pair: tuple[str, str], value: Decimal, target: int, spread: int
) -> None:
    factor = factor_of(value, EXPONENTS[pair[0]], EXPONENTS[pair[1]])
    price = price_of_target(target, factor, spread)
    assert price.target == target
    assert price_of_source(price.source, factor, spread).target >= target
    assert price_of_source(price.source - 1, factor, spread).target < target
    assert price.target + price.residue == int((price.source - price.spread) * factor)
    assert price.spread == price_of_source(price.source, factor, spread).spread
    assert 0 <= price.residue < max(Fraction(1), factor)


def fitting(codes: tuple[str, ...], values: list[Decimal], spreads: list[int]) -> list[FxRate]:
    """A rate of each currency with the dollar."""
    return [
        rate("USD", code, value, spread=spread, number=number, source=f"{code} desk")
        for number, (code, value, spread) in enumerate(zip(codes, values, spreads, strict=True), start=1)
    ]


NAMED = ("EUR", "JPY", "KWD", "IDR", "BHD", "KRW")
MARKETS = st.builds(
    lambda values, spreads: fitting(NAMED, values, spreads),
    st.lists(RATES, min_size=6, max_size=6),
    st.lists(SPREADS, min_size=6, max_size=6),
)
ODD_RATES = st.lists(st.tuples(PAIRS, RATES, SPREADS), max_size=8).map(
    lambda found: list(
        {
            frozenset(pair): rate(*pair, value, spread=spread, number=100 + number)
            for number, (pair, value, spread) in enumerate(found)
        }.values()
    )
)
CYCLES = st.lists(st.sampled_from(sorted(EXPONENTS)), min_size=2, max_size=4, unique=True)


def convert(book: RateBook, source: str, target: str, amount: int, *, fixes_target: bool) -> int | None:
    """What arrives. With a fixed target, the most that the amount can buy is asked for by name."""
    found = book.rate(source, target)
    if found is None:
        return None
    factor = factor_of(found.rate, EXPONENTS[source], EXPONENTS[target])
    price = price_of_source(amount, factor, found.spread_basis_points)
    if fixes_target and price.target:
        price = price_of_target(price.target, factor, found.spread_basis_points)
        assert price.source <= amount
    return price.target


@settings(max_examples=800)
@given(MARKETS, ODD_RATES, CYCLES, AMOUNTS, st.lists(st.booleans(), min_size=4, max_size=4))
def test_no_loop_of_up_to_four_conversions_gains_even_if_the_rates_do_not_fit_each_other(
    market: list[FxRate], odd: list[FxRate], cycle: list[str], amount: int, fixed: list[bool]
) -> None:
    known = {frozenset((one.base, one.quote)) for one in odd}
    rates = [one for one in market if frozenset((one.base, one.quote)) not in known]
    book, left = RateBook([*rates, *odd], "USD"), amount
    for (source, target), fixes_target in zip(pairwise([*cycle, cycle[0]]), fixed, strict=False):
        got = convert(book, source, target, left, fixes_target=fixes_target) if left else 0
        if got is None:
            return
        left = got
    assert left <= amount


@settings(max_examples=300)
@given(ODD_RATES, CYCLES, AMOUNTS)
def test_no_loop_gains_without_any_rate_of_the_base_currency(odd: list[FxRate], cycle: list[str], amount: int) -> None:
    book, left = RateBook(odd, "XAU"), amount
    for source, target in pairwise([*cycle, cycle[0]]):
        got = convert(book, source, target, left, fixes_target=False)
        if got is None:
            return
        left = got
    assert left <= amount


@settings(max_examples=300)
@given(st.integers(0, 2**60), st.integers(1, 2**40), st.data())
def test_parts_that_go_back_are_never_negative_and_together_the_whole(whole: int, total: int, data: st.DataObject) -> None:
    rounds_up, before, given_back = data.draw(st.booleans()), 0, 0
    while before < total:
        now = data.draw(st.integers(1, total - before)) if before < total // 2 else total - before
        part = part_given_back(whole, before, now, total, rounds_up=rounds_up)
        assert part >= 0
        before, given_back = before + now, given_back + part
        exact = Fraction(whole * before, total)
        assert (exact <= given_back < exact + 1) if rounds_up else (exact - 1 < given_back <= exact)
    assert given_back == whole


def test_a_rate_is_used_in_both_directions() -> None:
    book = RateBook([rate("EUR", "USD", "1.25", spread=30)], "USD")
    assert book.rate("EUR", "USD") == PairRate("EUR", "USD", Decimal("1.25"), 30, "Test", NOW)
    assert book.rate("USD", "EUR") == PairRate("USD", "EUR", Decimal("0.8"), 30, "Test", NOW)


def test_an_inverse_with_endless_digits_is_rounded_down() -> None:
    found = RateBook([rate("USD", "JPY", "150")], "USD").rate("JPY", "USD")
    assert found is not None
    assert found.rate == Decimal("0.00666666666666666666")


def test_currencies_without_a_rate_of_their_own_go_through_the_base_currency_and_pay_both_spreads() -> None:
    book = RateBook([rate("EUR", "USD", "1.25", spread=30), rate("USD", "JPY", "150", spread=20, number=2)], "USD")
    assert book.rate("EUR", "JPY") == PairRate("EUR", "JPY", Decimal("187.5"), 50, "Test", NOW)


def test_a_rate_of_their_own_is_used_unless_it_is_better_than_the_way_through_the_base_currency() -> None:
    rates = [rate("EUR", "USD", "1.25"), rate("USD", "JPY", "150", number=2)]
    dear, cheap = (RateBook([*rates, rate("EUR", "JPY", value, spread=5, number=3)], "USD") for value in ("180", "200"))
    assert [
        (found.rate, found.spread_basis_points) for found in (dear.rate("EUR", "JPY"), cheap.rate("EUR", "JPY")) if found
    ] == [
        (Decimal(180), 5),
        (Decimal("187.5"), 5),
    ]


def test_currencies_that_no_rates_connect_have_none() -> None:
    book = RateBook([rate("EUR", "USD", "1.25"), rate("JPY", "KWD", "0.002", number=2)], "USD")
    assert book.rate("EUR", "KWD") is None
    assert book.rate("EUR", "EUR") is None
    assert book.rate("EUR", "GBP") is None
    found = book.rate("KWD", "JPY")
    assert found is not None
    assert found.rate == 500


@pytest.mark.parametrize(
    ("amount", "source", "target", "expected"),
    [
        (1000, "EUR", "USD", 1250),
        (-1000, "EUR", "USD", -1250),
        (100, "USD", "JPY", 150),
        (-1, "JPY", "USD", -1),
        (5, "GBP", "USD", None),
    ],
)
def test_the_value_of_a_position_is_rounded_down(amount: int, source: str, target: str, expected: int | None) -> None:
    book = RateBook([rate("EUR", "USD", "1.25"), rate("USD", "JPY", "150", number=2)], "USD")
    assert book.value(amount, source, target, EXPONENTS) == expected
