"""What never changes about holds: whose money they hold, and for whom. Read before a batch, to decide who may act on a hold."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from uuid import UUID

from app import tasks
from app.db import hold_sql
from app.db.hold_sql import HoldFacts
from app.db.statements import Reader

_KEPT = 4_096
"""Holds in the cache: most are captured soon after they are placed."""


class HoldFinder:
    """Finds the facts about holds. Requests that come while a read is under way share the next one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: OrderedDict[UUID, HoldFacts] = OrderedDict()
        self._waiting: list[tuple[UUID, asyncio.Future[HoldFacts | None]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def find(self, hold_id: UUID) -> HoldFacts | None:
        """The facts about a hold, or None if there is none. Raises the errors of the database."""
        known = self._known.get(hold_id)
        if known is not None:
            return known
        answer: asyncio.Future[HoldFacts | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((hold_id, answer))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="find-holds")
        return await answer

    def remember(self, facts: HoldFacts) -> None:
        """Keep the facts about a hold that was placed here, so that its capture needs no read."""
        self._known[facts.id] = facts
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)

    async def stop(self) -> None:
        """End a read that is under way."""
        await tasks.end(self._reading)

    async def _read(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                found = await hold_sql.facts(self._reader, {hold_id for hold_id, _ in asked})
            except BaseException as error:
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for facts in found.values():
                self.remember(facts)
            for hold_id, answer in asked:
                if not answer.done():
                    answer.set_result(found.get(hold_id))
