"""Periods of a time zone's calendar: hours, days and months as its clocks show them.

A day may have 23 or 25 hours, and a zone's hours may begin at the half or the quarter of UTC's. The periods follow one another
without a gap, so that each moment is in exactly one.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import cache, lru_cache
from itertools import pairwise

MAX_PERIODS = 400
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_NOT_ZONES = frozenset({"Factory", "localtime", "posixrules"})
"""What a machine may have beside the zones of the tz database."""


class BalanceStep(StrEnum):
    """The length of a period."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods of a time zone's calendar that have any moment from `start` to before `end`."""

    start: datetime
    end: datetime
    step: BalanceStep
    time_zone: str = "UTC"


class BadPeriods(ValueError):
    """There are no such periods. The message says why, for the one who asked."""


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - _NOT_ZONES


def zone_of(name: str) -> tzinfo:
    """Returns the time zone with a name of the tz database, such as "Europe/Berlin". Raises BadPeriods."""
    if name not in _zone_names():
        raise BadPeriods('A time zone is a name of the tz database, such as "Europe/Berlin".')
    return zoneinfo.ZoneInfo(name)


def boundaries(asked: Periods) -> list[datetime]:
    """Returns where the periods begin, and where the last one ends, in UTC, ascending. Raises BadPeriods."""
    start, end, step, zone = asked.start, asked.end, asked.step, zone_of(asked.time_zone)
    if not start < end:
        raise BadPeriods("`from` must be before `to`.")
    if start < _FIRST or end > _LAST:
        raise BadPeriods("`from` and `to` must be between the years 1970 and 9999.")
    last = end - timedelta(microseconds=1)
    found = _between(_begin(start.astimezone(zone), step), _begin(last.astimezone(zone), step), step, zone)
    assert found[0] <= start < end <= found[-1], "the periods have all moments"
    return list(found)


@lru_cache(maxsize=256)
def _between(first: datetime, last: datetime, step: BalanceStep, zone: tzinfo) -> tuple[datetime, ...]:
    """The borders from the beginning of one period to the end of another. The same for all moments of both, so often asked."""
    found = [first]
    while found[-1] <= last:
        found.append(_next(found[-1], step, zone))
        if len(found) > MAX_PERIODS + 1:
            raise BadPeriods(f"These are more than {MAX_PERIODS} periods.")
    assert all(one < other for one, other in pairwise(found)), "periods follow one another"
    return tuple(found)


def _begin(local: datetime, step: BalanceStep) -> datetime:
    """The beginning of the period that a local time is in."""
    if step is BalanceStep.HOUR:
        return local.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return _midnight(local.date().replace(day=1) if step is BalanceStep.MONTH else local.date(), local.tzinfo)


@lru_cache(maxsize=8192)
def _next(begin: datetime, step: BalanceStep, zone: tzinfo) -> datetime:
    """The beginning of the period after the one that begins at a moment."""
    if step is BalanceStep.HOUR:
        # Where clocks move by half an hour, the hour around it is longer.
        following = begin + timedelta(hours=1)
        return following + timedelta(minutes=-following.astimezone(zone).minute % 60)
    day = _date_after(begin.astimezone(zone).date(), step)
    following = _midnight(day, zone)
    # A date that the zone has skipped begins where the one after it does, and has no length.
    return following if following > begin else _midnight(_date_after(day, step), zone)


def _date_after(day: date, step: BalanceStep) -> date:
    return day + timedelta(days=1) if step is BalanceStep.DAY else (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    """The first moment of a date. Where clocks skip midnight, that is when they do."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
