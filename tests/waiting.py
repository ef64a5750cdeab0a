"""Helpers that wait for a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

START_SECONDS = 90
"""For a process to start. On an idle machine it takes one or two, beside eight other test runs more than thirty."""


async def soon(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until the condition holds. Raises TimeoutError after the time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the service or its servers, not in an Event
            await asyncio.sleep(0.01)


async def early_in_a_window() -> None:
    """Wait for the next window of ten seconds if much of this one is over, so that what follows fits in one."""
    into = time.time() % 10
    if into > 4:
        await asyncio.sleep(10 - into)
