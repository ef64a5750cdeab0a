"""Waiting for what happens in its own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def soon(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return once the condition holds. Raises TimeoutError where it does not within the time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the service or its servers, not in an Event
            await asyncio.sleep(0.01)


async def early_in_a_window() -> None:
    """Wait, where much of a window of ten seconds is over, for the next one: what follows then stays in one."""
    into = time.time() % 10
    if into > 4:
        await asyncio.sleep(10 - into)
