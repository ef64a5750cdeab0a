"""Ending background tasks."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_SECONDS = 2.0
"""Long enough for what a task does in answer to a cancellation, such as a rollback."""


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and return when they have ended, with whatever result or exception. None is skipped.

    One `cancel()` is not enough: before Python 3.12 `asyncio.wait_for`, which redis-py uses, drops a cancellation that
    arrives as what it waits for completes. The task then runs on, and a stop that waits for it never returns.
    """
    all_ = [task for task in tasks if task is not None]
    running = {task for task in all_ if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)
    for task in all_:
        if not task.cancelled():
            # Else asyncio logs that the exception was never retrieved.
            task.exception()
