"""How much one user may move in a minute and a day, and how much of it is used. Plain values: no I/O, no clock.

Periods are those of the calendar in UTC: what a minute or a day allows, the next one allows again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

_NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limits:
    """None, or a currency that is not there: no limit. Amounts are in minor units."""

    transfers_per_minute: int | None = None
    transfers_per_day: int | None = None
    amounts_per_day: Mapping[str, int] = field(default_factory=lambda: _NONE)

    @property
    def is_none(self) -> bool:
        """Whether nothing is limited."""
        return self.transfers_per_minute is None and self.transfers_per_day is None and not self.amounts_per_day

    def over(self, general: Limits) -> Limits:
        """These, and the general ones where these say nothing."""
        minute, day = self.transfers_per_minute, self.transfers_per_day
        return Limits(
            general.transfers_per_minute if minute is None else minute,
            general.transfers_per_day if day is None else day,
            {**general.amounts_per_day, **self.amounts_per_day},
        )


class Quota(NamedTuple):
    """One user's limits, and what of them is used by transfers that completed."""

    user_id: UUID
    limits: Limits
    minute: datetime
    minute_transfers: int
    day: date
    day_transfers: int
    day_amounts: Mapping[str, int]

    def at(self, now: datetime) -> Quota:
        """As it stands then. Clocks of processes differ: a period that another one has begun is not begun again."""
        moment = now.astimezone(UTC)
        minute, day = moment.replace(second=0, microsecond=0), moment.date()
        current = self
        if minute > current.minute:
            current = current._replace(minute=minute, minute_transfers=0)
        if day > current.day:
            current = current._replace(day=day, day_transfers=0, day_amounts=_NONE)
        return current

    def allows(self, amount: int, currency: str) -> bool:
        """Whether one more transfer of this amount stays within all limits."""
        limits, used = self.limits, self.day_amounts.get(currency, 0)
        return (
            (limits.transfers_per_minute is None or self.minute_transfers < limits.transfers_per_minute)
            and (limits.transfers_per_day is None or self.day_transfers < limits.transfers_per_day)
            and (currency not in limits.amounts_per_day or used + amount <= limits.amounts_per_day[currency])
        )

    def after(self, amount: int, currency: str) -> Quota:
        """With one more transfer of this amount."""
        return self._replace(
            minute_transfers=self.minute_transfers + 1,
            day_transfers=self.day_transfers + 1,
            day_amounts={**self.day_amounts, currency: self.day_amounts.get(currency, 0) + amount},
        )
