"""Time, as an argument: the code asks a Clock, so that tests and the demo's history can choose it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the present moment, in UTC, aware, to the microsecond (PostgreSQL's resolution)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def system_clock() -> datetime:
    """The machine's wall clock."""
    return datetime.now(UTC)


def unix_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, exact: no float between."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def monotonic() -> float:
    """Seconds on a clock that never goes back: for deadlines, never for records."""
    return time.monotonic()
