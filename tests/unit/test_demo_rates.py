"""The demo's exchange rates move a little at a time, and stay near the first ones."""

from __future__ import annotations

import random
from decimal import Decimal

from app.demo.rates import BASE, FIRST, SOURCE, WalkingRates


async def test_the_rates_walk_in_small_steps_and_stay_near_the_first_ones() -> None:
    feed = WalkingRates(random.Random(5))
    before: dict[str, Decimal | None] = dict(FIRST)
    seen = set()
    for _ in range(20_000):
        answer = await feed.read()
        assert (answer.source, answer.base, answer.at) == (SOURCE, BASE, None)
        assert answer.rates.keys() == FIRST.keys()
        assert sum(rate != before[code] for code, rate in answer.rates.items()) <= 1
        for code, rate in answer.rates.items():
            assert rate is not None
            assert abs(rate / FIRST[code] - 1) < Decimal("0.011")
            previous = before[code]
            assert previous is not None
            assert abs(rate / previous - 1) < Decimal("0.001")
        seen.add(tuple(answer.rates.values()))
        before = dict(answer.rates)
    assert len(seen) > 1000
