"""Amounts are parsed and formatted exactly, and invalid ones are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import (
    MAX_MINOR,
    MIN_MINOR,
    AmountError,
    Currency,
    format_minor,
    is_currency_code,
    is_plain_decimal,
    parse_amount,
    parse_signed_amount,
)

JPY = Currency("JPY", 0, "Yen")
USD = Currency("USD", 2, "US Dollar")
KWD = Currency("KWD", 3, "Kuwaiti Dinar")


@given(st.integers(1, MAX_MINOR), st.sampled_from([JPY, USD, KWD]))
def test_parsing_a_formatted_amount_returns_it(minor: int, currency: Currency) -> None:
    assert parse_amount(format_minor(minor, currency.exponent), currency) == minor


@given(st.integers(MIN_MINOR, MAX_MINOR), st.integers(0, 4))
def test_output_has_exactly_the_currencys_decimals_and_value(minor: int, exponent: int) -> None:
    text = format_minor(minor, exponent)
    assert is_plain_decimal(text)
    assert len(text.partition(".")[2]) == exponent
    assert Decimal(text) == Decimal(minor).scaleb(-exponent)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", USD, 1234),
        ("12.3", USD, 1230),
        ("12", USD, 1200),
        ("0.01", USD, 1),
        ("007.50", USD, 750),
        ("500", JPY, 500),
        ("1.005", KWD, 1005),
        ("92233720368547758.07", USD, MAX_MINOR),
        ("9223372036854775807", JPY, MAX_MINOR),
    ],
)
def test_an_amount_is_parsed_exactly(text: str, currency: Currency, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "says"),
    [
        ("0", USD, "more than zero"),
        ("0.00", USD, "more than zero"),
        ("-0", USD, "more than zero"),
        ("-5", USD, "positive"),
        ("1.001", USD, "2 decimals"),
        ("1.000", USD, "2 decimals"),
        ("1.0", JPY, "no decimals"),
        ("92233720368547758.08", USD, "too large"),
        ("9" * 60, JPY, "too large"),
        ("0" * 30 + "9223372036854775808", JPY, "too large"),
    ],
)
def test_an_invalid_amount_is_refused_and_not_rounded(text: str, currency: Currency, says: str) -> None:
    with pytest.raises(AmountError, match=says):
        parse_amount(text, currency)


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "+1", "1e3", "1E3", ".5", "5.", "1,000", "NaN", "Infinity", "0x10", "1_000", "١٢", "1.2.3", "1\n", "--1"],
)
def test_a_decimal_must_be_in_plain_notation(text: str) -> None:
    assert not is_plain_decimal(text)


@pytest.mark.parametrize("text", ["", "US", "USDX", "usd", "U$D", "\uff35\uff33\uff24", "USD\n"])
def test_a_currency_code_must_be_three_capital_letters(text: str) -> None:
    assert not is_currency_code(text)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("0", USD, 0),
        ("-0.00", USD, 0),
        ("0", JPY, 0),
        ("-12.3", USD, -1230),
        ("0.001", KWD, 1),
        ("-92233720368547758.07", USD, -MAX_MINOR),
    ],
)
def test_a_signed_amount_may_be_zero_or_negative(text: str, currency: Currency, minor: int) -> None:
    assert parse_signed_amount(text, currency) == minor


@pytest.mark.parametrize(("text", "currency"), [("0.000", USD), ("0.0", JPY), ("-1.234", USD), ("-92233720368547758.08", USD)])
def test_a_signed_amount_keeps_the_limits_of_decimals_and_size(text: str, currency: Currency) -> None:
    with pytest.raises(AmountError):
        parse_signed_amount(text, currency)
