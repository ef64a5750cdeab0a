"""Times as texts: the same width always, and the same text as the standard library's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.clock import rfc3339

# What hypothesis gives gets its zone afterwards.
_SPAN = datetime(2, 1, 1), datetime(9998, 12, 31)  # noqa: DTZ001
_ZONES = [UTC, timezone(timedelta(hours=5, minutes=45)), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")]


@given(st.datetimes(*_SPAN, timezones=st.sampled_from(_ZONES)))
@example(datetime(2026, 1, 31, 12, tzinfo=UTC))
@example(datetime(2, 1, 1, microsecond=1, tzinfo=UTC))
def test_a_time_is_written_in_utc_to_the_microsecond(moment: datetime) -> None:
    text = rfc3339(moment)
    assert text == moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    assert len(text) == 27


@pytest.mark.parametrize("microsecond", [0, 1, 10, 100_000, 999_999])
def test_microseconds_are_always_six_digits(microsecond: int) -> None:
    moment = datetime(2026, 1, 31, 12, 0, 0, microsecond, tzinfo=UTC)
    assert rfc3339(moment) == f"2026-01-31T12:00:00.{microsecond:06}Z"
