"""Ending background tasks."""

from __future__ import annotations

import asyncio

from app import tasks


async def test_a_task_that_drops_its_first_cancellation_is_ended() -> None:
    dropped = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            dropped.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await tasks.end(task)
    assert dropped.is_set()
    assert task.cancelled()


async def test_ending_a_failed_task_does_not_raise() -> None:
    async def fail() -> None:
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    await tasks.end(None, task)
