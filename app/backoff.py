"""Pauses between retries."""

from __future__ import annotations

import random


class Backoff:
    """Pauses in seconds that double up to a maximum.

    Each is shortened by up to half at random, so that many waiting processes do not retry at the same moment.
    """

    def __init__(self, first: float, longest: float) -> None:
        assert 0 < first <= longest
        self._first = first
        self._longest = longest
        self._next = first

    def next(self) -> float:
        """Returns the pause before the next retry."""
        pause = self._next
        self._next = min(self._longest, pause * 2)
        return pause * random.uniform(0.5, 1)  # noqa: S311 - spreads retries, not for secrets

    def reset(self) -> None:
        """Call it after a success: the next pause is the shortest again."""
        self._next = self._first
