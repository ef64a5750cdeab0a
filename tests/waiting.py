"""Helpers that wait for a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

START_SECONDS = 90
"""For a process to start. On an idle machine it takes one or two, beside eight other test runs more than thirty."""


async def soon(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until the condition holds. Raises TimeoutError after the time."""
    async with asyncio.timeout(seconds):
        for pause in _pauses():
            if condition():
                return
            await asyncio.sleep(pause)


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until the condition holds. Returns False if it does not in time."""
    deadline = time.monotonic() + seconds
    for pause in _pauses():
        if condition():
            return True
        if time.monotonic() >= deadline:
            break
        time.sleep(pause)
    return False


def _pauses() -> Iterator[float]:
    """Between looks at a condition. They grow, as looking costs CPU that a busy machine needs for what is waited for."""
    pause = 0.01
    while True:
        yield pause
        pause = min(pause * 1.1, 0.1)


async def early_in_a_window() -> None:
    """Wait for the next window of ten seconds if much of this one is over, so that what follows fits in one."""
    into = time.time() % 10
    if into > 4:
        await asyncio.sleep(10 - into)
