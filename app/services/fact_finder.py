"""Finds what never changes about a hold or a quote, before a batch: it decides what a request may do with it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar
from uuid import UUID

from app import tasks
from app.db.statements import Reader

T = TypeVar("T")

_KEPT = 4_096
"""Facts in the cache: most holds and quotes are used soon after they are made."""


class FactFinder(Generic[T]):
    """Finds facts by id. Requests that come while a read is under way share the next one."""

    def __init__(self, reader: Reader, load: Callable[[Reader, Collection[UUID]], Awaitable[Mapping[UUID, T]]]) -> None:
        self._reader = reader
        self._load = load
        self._known: OrderedDict[UUID, T] = OrderedDict()
        self._waiting: list[tuple[UUID, asyncio.Future[T | None]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def find(self, id_: UUID) -> T | None:
        """The facts, or None if there are none. Raises the errors of the database."""
        known = self._known.get(id_)
        if known is not None:
            return known
        answer: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((id_, answer))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="find-facts")
        return await answer

    def remember(self, id_: UUID, facts: T) -> None:
        """Keep the facts about what was made here, so that its use needs no read."""
        self._known[id_] = facts
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)

    async def stop(self) -> None:
        """End a read that is under way."""
        await tasks.end(self._reading)

    async def _read(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                found = await self._load(self._reader, {id_ for id_, _ in asked})
            except BaseException as error:
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for id_, facts in found.items():
                self.remember(id_, facts)
            for id_, answer in asked:
                if not answer.done():
                    answer.set_result(found.get(id_))
