"""Periods are those of the zone's own calendar, and each moment is in exactly one."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.db.projection_sql import QUARTER
from app.services.calendars import MAX_PERIODS, BadPeriods, BalanceStep, Periods, boundaries, zone_of

ZONES = sorted(zoneinfo.available_timezones() - {"Factory", "localtime", "posixrules"})
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - it gets one
LONGEST = {BalanceStep.HOUR: timedelta(hours=2), BalanceStep.DAY: timedelta(hours=49), BalanceStep.MONTH: timedelta(days=32)}
"""Of a period where clocks move. Samoa and Kwajalein have skipped a date."""


def hours(zone: str, day: str) -> float:
    """The length of a local date."""
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(UTC)
    begin, end = boundaries(Periods(noon, noon + timedelta(microseconds=1), BalanceStep.DAY, zone))
    assert begin <= noon < end
    return (end - begin) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("UTC", "2026-03-29", 24),
        ("Europe/Berlin", "2026-03-28", 24),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Africa/Cairo", "2026-04-24", 23),  # its clocks skip midnight
        ("America/Santiago", "2026-04-04", 25),  # its clocks show the last hour twice
        ("Asia/Kathmandu", "2026-06-01", 24),
    ],
)
def test_a_day_has_the_hours_that_its_clocks_show(zone: str, day: str, length: float) -> None:
    assert hours(zone, day) == length


@given(st.sampled_from(ZONES), st.integers(1980, 2060))
def test_periods_begin_at_quarters_of_an_hour_of_utc(zone: str, year: int) -> None:
    """For which the read model has the first entry."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    for step, length in ((BalanceStep.HOUR, 16), (BalanceStep.DAY, 380), (BalanceStep.MONTH, 2000)):
        found = boundaries(Periods(start, start + timedelta(days=length), step, zone))
        assert {(one - datetime(1980, 1, 1, tzinfo=UTC)) % QUARTER for one in found if one.year >= 1980} == {timedelta(0)}


@given(st.sampled_from(ZONES), MOMENTS, st.sampled_from(BalanceStep), st.floats(0.001, 30))
def test_periods_follow_one_another_and_begin_where_the_calendar_says(
    zone: str, start: datetime, step: BalanceStep, length: float
) -> None:
    end = start + LONGEST[step] * length
    assume(end.year < 2036)
    found = boundaries(Periods(start, end, step, zone))
    assert found[0] <= start < found[1]
    assert found[-2] < end <= found[-1]
    assert all(timedelta(0) < later - earlier <= LONGEST[step] for earlier, later in pairwise(found))
    for earlier, later in pairwise(found):
        before, first = ((moment - timedelta(microseconds=1)).astimezone(zone_of(zone)) for moment in (later, earlier))
        begin = earlier.astimezone(zone_of(zone))
        if step is BalanceStep.HOUR:
            continue
        shown = (begin.year, begin.month) if step is BalanceStep.MONTH else begin.date()
        assert shown != ((first.year, first.month) if step is BalanceStep.MONTH else first.date())
        assert shown == ((before.year, before.month) if step is BalanceStep.MONTH else before.date())


@given(st.sampled_from(ZONES), MOMENTS)
def test_hours_begin_at_whole_local_hours(zone: str, start: datetime) -> None:
    found = boundaries(Periods(start, start + timedelta(hours=40), BalanceStep.HOUR, zone))
    assert all(moment.astimezone(zone_of(zone)).minute == 0 for moment in found)


@pytest.mark.parametrize("day", ["2026-04-05", "2026-10-04"])
def test_where_clocks_move_by_half_an_hour_that_hour_is_longer_and_all_begin_at_whole_ones(day: str) -> None:
    zone = zoneinfo.ZoneInfo("Australia/Lord_Howe")
    start = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=zone)
    borders = boundaries(Periods(start, start + timedelta(hours=12), BalanceStep.HOUR, zone.key))
    assert {border.astimezone(zone).minute for border in borders} == {0}
    lengths = [other - one for one, other in pairwise(borders)]
    assert sorted(set(lengths)) == [timedelta(hours=1), timedelta(hours=1.5)]
    assert lengths.count(timedelta(hours=1.5)) == 1


def test_at_most_400_periods() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    most = Periods(start, start + timedelta(hours=MAX_PERIODS), BalanceStep.HOUR)
    assert len(boundaries(most)) == MAX_PERIODS + 1
    with pytest.raises(BadPeriods):
        boundaries(Periods(start, start + timedelta(hours=MAX_PERIODS, microseconds=1), BalanceStep.HOUR))
