"""Money: integers in minor units in the code, exact decimal strings in the API. Never floats, never rounded."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_MINOR = 2**63 - 1
MIN_MINOR = -(2**63)
"""The range of PostgreSQL's bigint."""

MAX_DIGITS = 64
"""Largest number of digits of a decimal in a request: far more than any amount needs, and still cheap to parse."""

_PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 currency. `exponent` is its number of decimals: JPY 0, USD 2, KWD 3."""

    code: str
    exponent: int
    name: str


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units (cents, yen, fils) of a currency with `exponent` decimals."""

    minor: int
    currency: str
    exponent: int

    @property
    def amount(self) -> str:
        """The amount with exactly the currency's decimals, such as "12.30"."""
        return format_minor(self.minor, self.exponent)


class AmountError(ValueError):
    """The decimal is not a valid amount of the currency. The message is shown to the client."""


def is_plain_decimal(text: str) -> bool:
    """Whether the text is a decimal in plain notation: an optional minus, digits, an optional point between digits."""
    return _PLAIN_DECIMAL.fullmatch(text) is not None


def is_currency_code(text: str) -> bool:
    """Whether the text has the shape of an ISO 4217 alphabetic code."""
    return _CODE.fullmatch(text) is not None


def parse_amount(text: str, currency: Currency) -> int:
    """Returns the amount in minor units, more than zero.

    Raises AmountError if the amount is zero, negative, larger than a bigint, or has more decimals than the currency, even if
    they are zeros: "1.000" is not a valid amount of USD.
    """
    digits = _digits(text, currency)
    if not digits.strip("0"):
        raise AmountError("The amount must be more than zero.")
    if text.startswith("-"):
        raise AmountError("The amount must be positive.")
    return _minor(digits, currency)


def parse_signed_amount(text: str, currency: Currency) -> int:
    """Returns the amount in minor units, which may be zero or negative. Raises AmountError for decimals and size."""
    amount = _minor(_digits(text, currency), currency)
    return -amount if text.startswith("-") else amount


def _digits(text: str, currency: Currency) -> str:
    """Returns the digits of the amount in minor units, without sign and without zeros before the point."""
    assert is_plain_decimal(text), "the scalar accepts only plain decimals"
    whole, _, fraction = text.partition(".")
    if len(fraction) > currency.exponent:
        raise AmountError(f"{currency.code} has {_decimals(currency.exponent)}; this amount has {len(fraction)}.")
    return whole.removeprefix("-").lstrip("0") + fraction.ljust(currency.exponent, "0")


def _minor(digits: str, currency: Currency) -> int:
    if len(digits) > len(str(MAX_MINOR)) + currency.exponent or int(digits or "0") > MAX_MINOR:
        largest = format_minor(MAX_MINOR, currency.exponent)
        raise AmountError(f"The amount is too large: at most {largest} {currency.code}.")
    return int(digits or "0")


def format_minor(minor: int, exponent: int) -> str:
    """Returns minor units as a decimal string with exactly `exponent` decimals: (1230, 2) is "12.30", (-5, 2) is "-0.05"."""
    if exponent == 0:
        return str(minor)
    digits = str(minor).zfill(exponent + 1 if minor >= 0 else exponent + 2)
    return f"{digits[:-exponent]}.{digits[-exponent:]}"


def _decimals(exponent: int) -> str:
    return {0: "no decimals", 1: "1 decimal"}.get(exponent, f"{exponent} decimals")
