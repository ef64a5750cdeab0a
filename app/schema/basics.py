"""The types that other types are made of: Node, Money and Currency."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast
from uuid import UUID

import strawberry

from app import ids, money
from app.schema.context import Info
from app.schema.scalars import CurrencyCode, DecimalText


@strawberry.interface
class Node:
    id: strawberry.ID = strawberry.field(
        description="Globally unique, typed and readable: usr_…, wal_…, txn_…, ent_… (TypeID over UUIDv7). REST, logs and "
        "metrics show the same id."
    )


N = TypeVar("N", bound=Node)


def with_id_only(type_: type[N], prefix: str, id_: UUID) -> N:
    """Return an object that has only its id, for a selection of nothing else: it needs no read."""
    node = object.__new__(type_)
    node.id = strawberry.ID(ids.encode(prefix, id_))
    return node


@strawberry.type
class Money:
    amount: DecimalText
    currency: CurrencyCode

    @staticmethod
    def of(value: money.Money) -> Money:
        return Money(amount=DecimalText(value.amount), currency=CurrencyCode(value.currency))


@strawberry.type
class Currency:
    code: CurrencyCode
    exponent: int = strawberry.field(description="Decimals, by ISO 4217.")
    name: str

    @staticmethod
    def of(currency: money.Currency) -> Currency:
        return Currency(code=CurrencyCode(currency.code), exponent=currency.exponent, name=currency.name)


def money_of(info: Info, minor: int, currency: str) -> Money:
    return money_in(info, currency)(minor)


def money_in(info: Info, currency: str) -> Callable[[int], Money]:
    """Returns what makes amounts of a currency from minor units, for many of them."""
    exponent, code, text = info.context.services.currencies[currency].exponent, CurrencyCode(currency), money.format_minor
    # Without a call that only names the type: there are hundreds in a chart.
    return lambda minor: Money(amount=cast("DecimalText", text(minor, exponent)), currency=code)
