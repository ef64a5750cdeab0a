"""How often one may ask: a fixed window for each caller, in this process's memory."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

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
