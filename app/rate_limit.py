"""How often, and how much, one may ask: counted for each caller, in this process's memory."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Protocol

from app.clock import monotonic
from app.errors import RateLimited

_REMEMBERED = 100_000
"""Callers counted at once; past that the window starts anew for all, which errs on the generous side."""


class RateLimit:
    """At most `limit` calls of each caller in `window_seconds`."""

    def __init__(self, limit: int, window_seconds: float, *, now: Callable[[], float] = monotonic) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._now = now
        self._window = -1
        self._counts: dict[object, int] = {}

    def check(self, caller: object) -> None:
        """Count one call. Raises RateLimited, with the seconds to wait, past the limit."""
        now = self._now()
        window = int(now // self._window_seconds)
        if window != self._window or len(self._counts) >= _REMEMBERED:
            self._window = window
            self._counts = {}
        count = self._counts.get(caller, 0) + 1
        if count > self._limit:
            raise RateLimited(ceil((window + 1) * self._window_seconds - now))
        self._counts[caller] = count


class Budget(Protocol):
    """Points that callers spend, and that come back with time. Asynchronous, so that it can be kept elsewhere too."""

    async def spend(self, caller: object, points: int) -> int:
        """Take the points, and tell how many are left. Raises RateLimited, and takes none, where there are not enough."""


class TokenBuckets:
    """A bucket of `per_minute` points for each caller, which fills again evenly within a minute."""

    def __init__(self, per_minute: int, *, now: Callable[[], float] = monotonic) -> None:
        self._size = per_minute
        self._per_second = per_minute / 60
        self._now = now
        self._buckets: dict[object, tuple[float, float]] = {}
        """The points that were left, and when."""

    async def spend(self, caller: object, points: int) -> int:
        """As Budget has it."""
        now = self._now()
        left, since = self._buckets.get(caller, (self._size, now))
        left = min(self._size, left + (now - since) * self._per_second)
        if points > left:
            raise RateLimited(ceil((points - left) / self._per_second))
        if caller not in self._buckets and len(self._buckets) >= _REMEMBERED:
            self._buckets = {}
        self._buckets[caller] = (left - points, now)
        return int(left - points)
