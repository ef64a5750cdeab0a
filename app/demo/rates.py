"""The demo's exchange rates: a feed that walks at random around fixed rates, so that every two currencies can be exchanged."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from app import tasks
from app.services.fx_feeds import FeedAnswer
from app.services.fx_polling import RatePolling
from app.settings import Settings

SOURCE = "Demo rates"
BASE = "USD"
FIRST = {"EUR": Decimal("0.9200"), "JPY": Decimal("151.20"), "KWD": Decimal("0.30710")}
SPREAD_BASIS_POINTS = 40
_STEP = {"EUR": Decimal("0.0004"), "JPY": Decimal("0.06"), "KWD": Decimal("0.00002")}
_MOST_STEPS = 25
"""From the first rate, up or down."""
_SECONDS = 4.0


class WalkingRates:
    """A feed whose rates move a little: one of them by one step, at each read."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - ambience, not secrets
        self._steps = dict.fromkeys(FIRST, 0)

    async def read(self) -> FeedAnswer:
        """Take one step, and return all rates."""
        moved = self._chance.choice(list(FIRST))
        steps = self._steps[moved] + self._chance.choice((-1, 1))
        self._steps[moved] = max(-_MOST_STEPS, min(steps, _MOST_STEPS))
        return FeedAnswer(SOURCE, BASE, {code: rate + _STEP[code] * self._steps[code] for code, rate in FIRST.items()})


class DemoRates:
    """Keeps the demo's rates moving in this process, unless the settings name a feed, which the relay reads."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        if "fx_feed_spread_basis_points" not in settings.model_fields_set:
            settings = settings.model_copy(update={"fx_feed_spread_basis_points": SPREAD_BASIS_POINTS})
        self._polling = None
        if settings.fx_feed_url is None:
            self._polling = RatePolling(WalkingRates(), engine, settings, seconds=_SECONDS)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Set the first rates, so that they are there when the API is ready, and go on in the background."""
        if self._polling is not None:
            await self._polling.poll()
            self._task = asyncio.create_task(self._polling.run(), name="demo-rates")

    async def stop(self) -> None:
        await tasks.end(self._task)
