"""Waiting for what happens in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def soon(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return once the condition holds. Raises TimeoutError where it does not within the time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the service or its servers, not in an Event
            await asyncio.sleep(0.01)
