"""Rate limits over several processes: each process adds its counts to totals in Redis a few times a second.

Redis is not called for each request: the round trip would cost more than most answers. So a caller may exceed a limit by the
requests between two rounds, and by 1/8 of the limit in each process. Without Redis each process applies the limits to its own
counts. Quotas on money are not here: they are exact and in PostgreSQL.
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
from app.messages.publisher import OK, REDIS_ERRORS, UNAVAILABLE, describe_failure
from app.messages.redis_names import RedisNames
from app.settings import SHARING_RIGHTS

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.25
_TIMEOUT_SECONDS = 1.0
_CHECK_EVERY = 8
"""Rounds. The others call Redis only if there is something to share."""
_MAX_CALLERS_PER_CALL = 1000
"""Redis serves no other client while the script runs."""

_ADD = """
local totals = {}
for position, key in ipairs(KEYS) do
    totals[position] = redis.call('INCRBY', key, ARGV[position + 1])
    redis.call('EXPIRE', key, ARGV[1])
end
return totals
"""


class RateLimitSharing:
    """Shares the counts of one process's limits, in a background task."""

    def __init__(self, redis_url: str, names: RedisNames, limits: Sequence[RateLimit]) -> None:
        self._redis = redis.asyncio.from_url(redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
        self._add = self._redis.register_script(_ADD)
        self._names = names
        self._limits = limits
        self._task: asyncio.Task[None] | None = None
        self.state = "not shared yet"
        """`ok`, or the reason why each process applies the limits to its own counts."""
        self._logged: str | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._share_regularly(), name="rate-limits")

    async def stop(self) -> None:
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
                self.state = describe_failure(error, SHARING_RIGHTS)
                if self.state != self._logged:
                    reason = f"unreachable ({type(error).__name__})" if self.state == UNAVAILABLE else self.state
                    logger.warning("rate limits are not shared between processes until Redis is back: %s", reason)
                    self._logged = self.state
            except Exception:  # a bug in one round must not end the sharing
                logger.exception("sharing rate limits failed")
            else:
                self.state, self._logged = OK, None

    async def _check(self) -> None:
        """Run the same commands as sharing does, so that a missing right shows before there is something to share."""
        await self._add(keys=[self._names.rate_key("check", 0, "nobody")], args=[1, 0])

    async def _share(self, limit: RateLimit) -> None:
        window, unshared = limit.unshared()
        callers = iter(unshared)
        while counts := {caller: unshared[caller] for caller in islice(callers, _MAX_CALLERS_PER_CALL)}:
            keys = [self._names.rate_key(limit.name, window, caller) for caller in counts]
            totals = await self._add(keys=keys, args=[ceil(limit.window_seconds * 2), *counts.values()])
            limit.record_totals(window, counts, totals)
