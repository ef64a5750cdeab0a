"""Balances in time, and the position of what was read from a read model."""

from __future__ import annotations

from datetime import datetime

import strawberry

from app.calendars import BalanceStep
from app.schema.basics import Money, money_of
from app.schema.context import Info
from app.schema.scalars import BigInt
from app.services import activity, balances

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
    start: datetime = strawberry.field(name="from", description="Inclusive.")
    end: datetime = strawberry.field(name="to", description="Exclusive.")
    opening: Money
    debits: Money
    credits: Money
    closing: Money
    entry_count: BigInt
    closing_sequence: BigInt = strawberry.field(description="Of the last entry before `to`.")

    @staticmethod
    def of(info: Info, period: balances.BalancePeriod, currency: str) -> BalancePeriod:
        return BalancePeriod(
            start=period.start,
            end=period.end,
            opening=money_of(info, period.opening, currency),
            debits=money_of(info, period.debits, currency),
            credits=money_of(info, period.credits, currency),
            closing=money_of(info, period.closing, currency),
            entry_count=BigInt(period.entry_count),
            closing_sequence=BigInt(period.closing_sequence),
        )


@strawberry.type(description="A place in the news; what is read at it has seen all before it.")
class ReadPosition:
    position: str = strawberry.field(description="Pass it as `notBefore` to read at this place or a later one.")
    at: datetime = strawberry.field(description="All that was published by then has been seen.")
    lag_seconds: float = strawberry.field(description="How long the oldest event that was not seen has waited; 0: there is none.")

    @staticmethod
    def of(found: activity.ReadPosition) -> ReadPosition:
        return ReadPosition(position=str(found.position), at=found.at, lag_seconds=found.lag_seconds)
