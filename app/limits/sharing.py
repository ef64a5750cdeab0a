"""Rate limits over several processes: what each has counted is added up in Redis, a few times a second.

Not for every request: a counter that is asked each time would cost more than most answers. So a caller may exceed a limit by
what arrives between two of these looks, and by an eighth of the limit in each process. Without Redis each process holds to the
limit on its own. Quotas of money are not here: those are exact, and in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import count, islice
from math import ceil

import redis.asyncio

from app import tasks
from app.limits.rates import RateLimit
from app.messages.redis_backend import OK, REDIS_ERRORS, UNAVAILABLE, trouble
from app.messages.redis_names import RedisNames
from app.settings import SHARING_RIGHTS

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.25
_TIMEOUT_SECONDS = 1.0
_CHECK_EVERY = 8
"""Rounds. In those between, Redis is asked only where there is something to share."""
_MOST = 1000
"""Callers told in one go: Redis answers nobody else meanwhile."""

_ADD = """
local totals = {}
for position, key in ipairs(KEYS) do
    totals[position] = redis.call('INCRBY', key, ARGV[position + 1])
    redis.call('EXPIRE', key, ARGV[1])
end
return totals
"""


class RateLimitSharing:
    """Tells and learns for the limits of one process."""

    def __init__(self, redis_url: str, names: RedisNames, limits: Sequence[RateLimit]) -> None:
        self._redis = redis.asyncio.from_url(redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
        self._add = self._redis.register_script(_ADD)
        self._names = names
        self._limits = limits
        self._task: asyncio.Task[None] | None = None
        self.state = "not shared yet"
        """`ok`, or why each process holds to the limits on its own."""
        self._logged: str | None = None

    async def start(self) -> None:
        """Begin to share."""
        self._task = asyncio.create_task(self._share_regularly(), name="rate-limits")

    async def stop(self) -> None:
        """Stop sharing."""
        await tasks.end(self._task)
        await self._redis.aclose()

    async def _share_regularly(self) -> None:
        for round_ in count():
            await asyncio.sleep(EVERY_SECONDS)
            try:
                if self.state != OK or round_ % _CHECK_EVERY == 0:
                    await self._check()
                for limit in self._limits:
                    await self._share(limit)
            except REDIS_ERRORS as error:
                self.state = trouble(error, SHARING_RIGHTS)
                if self.state != self._logged:
                    what = f"away ({type(error).__name__})" if self.state == UNAVAILABLE else self.state
                    logger.warning("rate limits hold in each process on its own until Redis is back; it is %s", what)
                    self._logged = self.state
            except Exception:  # whatever it is, the next round is needed all the same
                logger.exception("sharing rate limits failed")
            else:
                self.state, self._logged = OK, None

    async def _check(self) -> None:
        """Do what sharing does, so that a right that is missing shows before there is something to share."""
        await self._add(keys=[self._names.rate_key("check", 0, "nobody")], args=[1, 0])

    async def _share(self, limit: RateLimit) -> None:
        window, news = limit.untold()
        callers = iter(news)
        while lot := {caller: news[caller] for caller in islice(callers, _MOST)}:
            keys = [self._names.rate_key(limit.name, window, caller) for caller in lot]
            totals = await self._add(keys=keys, args=[ceil(limit.window_seconds * 2), *lot.values()])
            limit.learn(window, lot, totals)
