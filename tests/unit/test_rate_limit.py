"""Rate limits: so many in a window, each caller for themselves, and a truthful time to wait."""

from __future__ import annotations

import pytest

from app.errors import RateLimited
from app.rate_limit import RateLimit


def test_a_caller_past_the_limit_is_told_how_long_to_wait_and_others_are_not_affected() -> None:
    moment = [90.0]
    limit = RateLimit(2, 60, now=lambda: moment[0])
    for _ in range(2):
        limit.check("alice")
    with pytest.raises(RateLimited) as refused:
        limit.check("alice")
    assert refused.value.extensions == {"code": "RATE_LIMITED", "retryAfterSeconds": 30}
    limit.check("bob")
    moment[0] += 30
    limit.check("alice")
