"""When a delivery is tried again: 14 times over three days, and when an endpoint that fails is left in peace."""

from __future__ import annotations

import random
from datetime import timedelta

_S, _M, _H = 1, 60, 3600
PAUSES = (5 * _S, 30 * _S, 2 * _M, 5 * _M, 15 * _M, 30 * _M, 1 * _H, 2 * _H, 4 * _H, 8 * _H, 12 * _H, 20 * _H, 24 * _H)
"""Seconds after the first, second … attempt. The early ones are short, because the later events of a wallet wait."""
MAX_ATTEMPTS = len(PAUSES) + 1
_SPREAD = 0.1
"""Pauses are up to this part longer, so that deliveries that failed together are not tried together."""

FREE_FAILURES = 5
"""Failures in a row, of any deliveries, after which an endpoint is tried with one delivery at a time."""
LONGEST_REST = timedelta(minutes=5)


def pause_after(attempts: int) -> timedelta | None:
    """The pause before the next attempt, after so many that failed. None: that was the last one."""
    assert attempts >= 1
    if attempts >= MAX_ATTEMPTS:
        return None
    return timedelta(seconds=PAUSES[attempts - 1] * random.uniform(1, 1 + _SPREAD))  # noqa: S311 - spreads retries


def rest_after(failures: int) -> timedelta | None:
    """How long an endpoint rests after so many failures in a row. None: not at all.

    Each wallet's first delivery is due by its own schedule. Without a rest, an endpoint for thousands of wallets that hangs
    would be tried without end.
    """
    if failures < FREE_FAILURES:
        return None
    return timedelta(seconds=min(LONGEST_REST.total_seconds(), 2.0 ** min(failures - FREE_FAILURES, 16)))
