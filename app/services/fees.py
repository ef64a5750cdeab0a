"""Fees: which version of a schedule applies at a moment, what it charges, and why, in words. Pure functions, exact arithmetic.

A line of versions is for one type of transaction, one currency and, optionally, one user. A version is valid from its moment
until the next version of its line: none overlap, and none is missing. A user's line is preferred to the general one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal, localcontext
from enum import StrEnum
from uuid import UUID

from app.money import format_minor
from app.records import TransactionType

_DIGITS = 60
"""Enough for each product of an amount and a percentage to be exact."""


class FeePayer(StrEnum):
    """The side whose wallet the fee is taken from."""

    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class RoundingMode(StrEnum):
    """How a fee becomes whole minor units. HALF_EVEN: to the nearest, a tie to the even one."""

    UP = "UP"
    DOWN = "DOWN"
    HALF_EVEN = "HALF_EVEN"


_ROUNDING = {RoundingMode.UP: ROUND_UP, RoundingMode.DOWN: ROUND_DOWN, RoundingMode.HALF_EVEN: ROUND_HALF_EVEN}


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One version of a line. Amounts are in minor units. Without `percent` and `flat` it charges nothing, and so ends a fee."""

    id: UUID
    name: str
    version: int
    transaction_type: TransactionType
    currency: str
    user_id: UUID | None
    payer: FeePayer
    percent: Decimal | None
    flat: int | None
    minimum: int | None
    maximum: int | None
    rounding: RoundingMode
    valid_from: datetime

    @property
    def line(self) -> Line:
        """The line that this is a version of."""
        return self.transaction_type, self.currency, self.user_id

    def fee(self, amount: int) -> int:
        """The fee for an amount, in minor units: rounded once, then kept between minimum and maximum."""
        if self.percent is None and self.flat is None:
            return 0
        with localcontext(prec=_DIGITS):
            part = (self.percent or Decimal(0)) * amount / 100
            fee = int(part.to_integral_value(_ROUNDING[self.rounding])) + (self.flat or 0)
        fee = max(fee, self.minimum or 0)
        return fee if self.maximum is None else min(fee, self.maximum)

    def explanation(self, amount: int, exponent: int) -> str:
        """How the fee for an amount is computed, such as "2.9 % of 100.00 + 0.30 = 3.20"."""
        parts = []
        if self.percent is not None:
            parts.append(f"{self.percent.normalize():f} % of {format_minor(amount, exponent)}")
        if self.flat is not None:
            parts.append(format_minor(self.flat, exponent))
        text = " + ".join(parts) or "no fee"
        for word, limit in (("at least", self.minimum), ("at most", self.maximum)):
            if limit is not None:
                text += f", {word} {format_minor(limit, exponent)}"
        return f"{text} = {format_minor(self.fee(amount), exponent)}"


Line = tuple[TransactionType, str, UUID | None]


class FeeBook:
    """All versions of all lines."""

    def __init__(self, schedules: Iterable[FeeSchedule] = ()) -> None:
        self._lines: dict[Line, list[FeeSchedule]] = {}
        for schedule in sorted(schedules, key=lambda one: one.valid_from):
            self._lines.setdefault(schedule.line, []).append(schedule)
        self._charged = {(type_, currency) for type_, currency, _ in self._lines}

    def may_charge(self, type_: TransactionType, currency: str) -> bool:
        """Whether any version, past or future, is for this type and currency. If not, no fee wallet needs to be locked."""
        return (type_, currency) in self._charged

    def valid_at(self, moment: datetime, type_: TransactionType, currency: str, user_id: UUID | None) -> FeeSchedule | None:
        """The version that is valid at a moment: of the user's line if it has one by then, or of the general line."""
        for line in ((type_, currency, user_id), (type_, currency, None)):
            versions = self._lines.get(line, [])
            place = bisect_right(versions, moment, key=lambda one: one.valid_from)
            if place:
                return versions[place - 1]
        return None
