"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Pauses in seconds that double up to a bound.

    Each is cut by up to half at random, so that many who wait for the same thing do not all come back at once.
    """

    def __init__(self, first: float, longest: float) -> None:
        assert 0 < first <= longest
        self._first = first
        self._longest = longest
        self._next = first

    def next(self) -> float:
        """The pause before the next try."""
        pause = self._next
        self._next = min(self._longest, pause * 2)
        return pause * random.uniform(0.5, 1)  # noqa: S311 - spreads tries, hides nothing

    def reset(self) -> None:
        """It went well: the next pause is the shortest again."""
        self._next = self._first
