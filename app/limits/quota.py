"""A user's quotas: the limits per minute and per day, and what has been used. Plain values: no I/O, no clock.

Periods are calendar minutes and days in UTC. Usage restarts at zero with each period.
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
    """Amounts are in minor units. None, or a currency missing from `amounts_per_day`, means no limit."""

    transfers_per_minute: int | None = None
    transfers_per_day: int | None = None
    amounts_per_day: Mapping[str, int] = field(default_factory=lambda: _NONE)

    @property
    def is_unlimited(self) -> bool:
        return self.transfers_per_minute is None and self.transfers_per_day is None and not self.amounts_per_day

    def with_defaults(self, general: Limits) -> Limits:
        """Returns these limits, with `general` filling in those that are not set."""
        minute, day = self.transfers_per_minute, self.transfers_per_day
        return Limits(
            general.transfers_per_minute if minute is None else minute,
            general.transfers_per_day if day is None else day,
            {**general.amounts_per_day, **self.amounts_per_day},
        )


class Quota(NamedTuple):
    """One user's limits and usage. Only COMPLETED transfers count as usage."""

    user_id: UUID
    limits: Limits
    minute: datetime
    minute_transfers: int
    day: date
    day_transfers: int
    day_amounts: Mapping[str, int]

    @staticmethod
    def unused(user_id: UUID, limits: Limits) -> Quota:
        """The quota of a user who has not used any."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return Quota(user_id, limits, epoch, 0, epoch.date(), 0, _NONE)

    def at(self, now: datetime) -> Quota:
        """Returns the quota with the usage of past periods reset.

        A process whose clock is behind must not reset a period that another process has started: a period never moves back.
        """
        moment = now.astimezone(UTC)
        minute, day = moment.replace(second=0, microsecond=0), moment.date()
        current = self
        if minute > current.minute:
            current = current._replace(minute=minute, minute_transfers=0)
        if day > current.day:
            current = current._replace(day=day, day_transfers=0, day_amounts=_NONE)
        return current

    def allows(self, amount: int, currency: str) -> bool:
        """Whether one more transfer of `amount` (minor units) stays within all limits."""
        limits, used = self.limits, self.day_amounts.get(currency, 0)
        return (
            (limits.transfers_per_minute is None or self.minute_transfers < limits.transfers_per_minute)
            and (limits.transfers_per_day is None or self.day_transfers < limits.transfers_per_day)
            and (currency not in limits.amounts_per_day or used + amount <= limits.amounts_per_day[currency])
        )

    def after(self, amount: int, currency: str) -> Quota:
        """Returns the quota with one more transfer counted."""
        return self._replace(
            minute_transfers=self.minute_transfers + 1,
            day_transfers=self.day_transfers + 1,
            day_amounts={**self.day_amounts, currency: self.day_amounts.get(currency, 0) + amount},
        )
