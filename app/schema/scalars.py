"""Scalars with strict input and exact output. A refused value is BAD_USER_INPUT, both inline and in a variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import EnumValueNode, FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode, print_ast
from strawberry.types.scalar import ScalarDefinition

from app.clock import rfc3339
from app.errors import BadUserInput
from app.money import MAX_DIGITS, is_currency_code, is_plain_decimal

DecimalText = NewType("DecimalText", str)
CurrencyCode = NewType("CurrencyCode", str)
BigInt = NewType("BigInt", int)

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_MAX_SHOWN = 40
_UNQUOTED = (EnumValueNode, IntValueNode, FloatValueNode)


def _refusal(message: str, given: str) -> GraphQLError:
    shown = given if len(given) <= _MAX_SHOWN else given[:_MAX_SHOWN] + "…"
    # A lone surrogate is a valid JSON escape but cannot be encoded, so it must not reach the answer.
    printable = shown.encode("utf-8", "replace").decode("utf-8")
    return GraphQLError(f"{message} Given: {printable}", extensions=BadUserInput().extensions)


def _string_scalar(
    name: str, description: str, *, parse: Callable[[str], Any], wanted: str, serialize: Callable[[Any], str] = str
) -> ScalarDefinition:
    """A scalar whose values are strings, both in variables and inline."""

    def parse_value(value: Any) -> Any:
        if not isinstance(value, str):
            raise _refusal(wanted, repr(value))
        return parse(value)

    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        if not isinstance(node, StringValueNode):
            literal = print_ast(node)
            # USD without quotes is an enum value, 12.34 a number.
            hint = f' Put it in quotes: "{literal}".' if isinstance(node, _UNQUOTED) and len(literal) <= _MAX_SHOWN else ""
            raise _refusal(f"{wanted}{hint}", literal)
        return parse(node.value)

    return strawberry.scalar(
        name=name, description=description, serialize=serialize, parse_value=parse_value, parse_literal=parse_literal
    )


_DECIMAL_WANTED = 'An amount is a string in plain decimal notation, such as "12.34".'


def _parse_decimal(text: str) -> str:
    if len(text) > MAX_DIGITS or not is_plain_decimal(text):
        raise _refusal(_DECIMAL_WANTED, text)
    return text


_CURRENCY_WANTED = 'A currency is three capital letters by ISO 4217, such as "USD".'


def _parse_currency(text: str) -> str:
    if not is_currency_code(text):
        raise _refusal(_CURRENCY_WANTED, text)
    return text


_DATETIME_WANTED = 'A time is RFC 3339 with an offset, such as "2026-01-31T12:00:00Z".'


def _parse_datetime(text: str) -> datetime:
    if _RFC3339.fullmatch(text) is None:
        raise _refusal(_DATETIME_WANTED, text)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _refusal(_DATETIME_WANTED, text) from None


_BIGINT_WANTED = 'A 64-bit integer is a string of digits, such as "42".'


def _parse_bigint(text: str) -> int:
    if re.fullmatch(r"-?[0-9]{1,19}", text, re.ASCII) is None or not -(2**63) <= int(text) < 2**63:
        raise _refusal(_BIGINT_WANTED, text)
    return int(text)


SCALARS: dict[object, ScalarDefinition] = {
    DecimalText: _string_scalar(
        "Decimal",
        'Exact decimal as a JSON string in plain notation, such as "12.34". Never a float; no exponent, no NaN, no infinity. '
        "Output has exactly the currency's decimals.",
        parse=_parse_decimal,
        wanted=_DECIMAL_WANTED,
    ),
    CurrencyCode: _string_scalar(
        "CurrencyCode", 'ISO 4217 alphabetic code, such as "USD".', parse=_parse_currency, wanted=_CURRENCY_WANTED
    ),
    BigInt: _string_scalar("BigInt", "64-bit integer as a JSON string.", parse=_parse_bigint, wanted=_BIGINT_WANTED),
    datetime: _string_scalar(
        "DateTime", "RFC 3339 timestamp in UTC.", parse=_parse_datetime, wanted=_DATETIME_WANTED, serialize=rfc3339
    ),
}
