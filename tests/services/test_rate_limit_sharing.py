"""A background task shares rate limits between processes. It ends when it is stopped, whatever it waits for."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from app import tasks
from app.limits import sharing
from app.limits.rates import RateLimit
from app.limits.sharing import RateLimitSharing
from app.messages.publisher import redis_url
from app.messages.redis_names import RedisNames
from app.settings import Settings


async def test_stop_returns_while_a_command_is_being_sent_to_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "EVERY_SECONDS", 0)
    monkeypatch.setattr(sharing, "_CHECK_EVERY", 1)
    # A lost cancellation is repeated after this time, and until then the loop without a pause takes a core.
    monkeypatch.setattr(tasks, "_AGAIN_SECONDS", 0.05)
    for number in range(40):
        shared = RateLimitSharing(redis_url(settings), RedisNames(uuid4()), [RateLimit(10, 60, name="test")])
        await shared.start()
        # Stop it at a different point each time.
        for _ in range(number % 10):
            await asyncio.sleep(0)
        await asyncio.sleep(number / 5000)
        async with asyncio.timeout(20):
            await shared.stop()
