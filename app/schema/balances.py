"""Balances in time, and the position of what was read from a read model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

import strawberry

from app.schema.basics import Money, money_of
from app.schema.context import Info
from app.schema.scalars import BigInt
from app.services import activity, balances
from app.services.calendars import BalanceStep

strawberry.enum(BalanceStep, description="As the clocks and the calendar of the time zone have them.")


@strawberry.type
class BalancePoint:
    at: datetime
    sequence: BigInt = strawberry.field(description="Of the last entry at or before `at`; 0 before the first.")
    balance: Money
    held: Money = strawberry.field(description="What remained of the holds that were open then.")
    available: Money

    @staticmethod
    def of(info: Info, point: balances.BalancePoint, currency: str) -> BalancePoint:
        return BalancePoint(
            at=point.at,
            sequence=BigInt(point.sequence),
            balance=money_of(info, point.balance, currency),
            held=money_of(info, point.held, currency),
            available=money_of(info, point.available, currency),
        )


@strawberry.type(description="opening + credits - debits = closing. An entry is in the period that has its time.")
class BalancePeriod:
    """The amounts have resolvers, because a chart of 400 periods asks for few of them."""

    start: datetime = strawberry.field(name="from", description="Inclusive.")
    end: datetime = strawberry.field(name="to", description="Exclusive.")
    entry_count: BigInt
    closing_sequence: BigInt = strawberry.field(description="Of the last entry before `to`.")
    record: strawberry.Private[balances.BalancePeriod]
    in_currency: strawberry.Private[Callable[[int], Money]]

    @staticmethod
    def of_all(found: Sequence[balances.BalancePeriod], in_currency: Callable[[int], Money]) -> list[BalancePeriod]:
        # The counts are read here, and not called BigInt one by one: both calls take as long as the rest.
        counts = cast("list[BigInt]", [last.sequence - first.sequence for _, _, first, last in found])
        sequences = cast("list[BigInt]", [last.sequence for _, _, _, last in found])
        return [
            BalancePeriod(
                start=period.start,
                end=period.end,
                entry_count=count,
                closing_sequence=sequence,
                record=period,
                in_currency=in_currency,
            )
            for period, count, sequence in zip(found, counts, sequences, strict=True)
        ]

    @strawberry.field
    def opening(self) -> Money:
        return self.in_currency(self.record.opening)

    @strawberry.field
    def debits(self) -> Money:
        return self.in_currency(self.record.debits)

    @strawberry.field
    def credits(self) -> Money:
        return self.in_currency(self.record.credits)

    @strawberry.field
    def closing(self) -> Money:
        return self.in_currency(self.record.closing)


@strawberry.type(description="A place in the news; what is read at it has seen all before it.")
class ReadPosition:
    position: str = strawberry.field(description="Pass it as `notBefore` to read at this place or a later one.")
    at: datetime = strawberry.field(description="All that was published by then has been seen.")
    lag_seconds: float = strawberry.field(description="How long the oldest event that was not seen has waited; 0: there is none.")

    @staticmethod
    def of(found: activity.ReadPosition) -> ReadPosition:
        return ReadPosition(position=str(found.position), at=found.at, lag_seconds=found.lag_seconds)
