"""Database reads of live updates: on a share of the pool, with retries, and once for all subscribers of an event.

A subscription must not end because the database was busy during one of its events, so a read that may succeed later is
retried. Requests never wait for these reads: most connections of the pool, and most rounds of the event loop, are left to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from app.backoff import Backoff
from app.clock import monotonic
from app.db.failures import DATABASE_ERRORS, is_unavailable
from app.db.statements import Reader
from app.settings import Settings

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_DATABASE_ERRORS = (SQLAlchemyError, *DATABASE_ERRORS)
_SHARED_SECONDS = 5.0
"""How long later subscribers of an event get what the first one read. Nothing that they get is older than this."""
_ROUNDS = 4
"""Rounds of the event loop between two events, for everything else."""
_MAX_SHARED = 1000
"""Most events whose reads are kept at once."""


class LiveDatabase:
    """A third of the pool's connections. Live updates use it in place of the engine."""

    def __init__(self, pool: Reader, settings: Settings) -> None:
        self._pool = pool
        self._slots = asyncio.Semaphore(max(1, settings.database_pool_size // 3))
        self._seconds = settings.request_timeout_seconds
        self.waiting = 0
        """Reads that failed and are being retried."""

    async def fetch(self, query: str, /, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Run one statement on a connection of the share. Raises TimeoutError if that takes longer than a request may."""
        async with self._slots, asyncio.timeout(self._seconds):
            return await self._pool.fetch(query, *arguments)

    async def read_with_retries(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read, and retry with growing pauses while the database is not available."""
        backoff, waits = Backoff(0.1, 5.0), False
        try:
            while True:
                try:
                    return await read()
                except _DATABASE_ERRORS as error:
                    if not is_unavailable(error):
                        raise
                    if not self.waiting:
                        logger.warning("live updates wait for the database: %s", error)
                    if not waits:
                        self.waiting, waits = self.waiting + 1, True
                await asyncio.sleep(backoff.next())
        finally:
            # Also if the subscriber has left meanwhile.
            self.waiting -= waits


class Turns:
    """Spaces events out over rounds of the event loop, so that requests are served even with a crowd of subscribers.

    A request takes about 15 rounds. A round in which nothing is ready takes a hundredth of the time of an event.
    """

    def __init__(self) -> None:
        self._is_free = True
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return when it is the caller's turn. Turns are in the order of the calls."""
        loop = asyncio.get_running_loop()
        if self._is_free:
            self._is_free = False
            loop.call_soon(self._pass, _ROUNDS)
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _pass(self, rounds: int) -> None:
        if rounds:
            asyncio.get_running_loop().call_soon(self._pass, rounds - 1)
        else:
            self._next()

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            # The subscriber may have left meanwhile.
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._pass, _ROUNDS)
                return
        self._is_free = True


class _SharedRead:
    """One read that several callers wait for. It is cancelled when the last of them leaves."""

    def __init__(self, read: Awaitable[Mapping[Any, Any]]) -> None:
        self._task = asyncio.ensure_future(read)
        self._waiting = 0
        self._was_left = False

    @property
    def has_failed(self) -> bool:
        return self._was_left or (self._task.done() and self._task.exception() is not None)

    @property
    def found(self) -> Mapping[Any, Any] | None:
        """The result; None while the read runs and if it failed."""
        return self._task.result() if self._task.done() and not self.has_failed else None

    async def result(self) -> Mapping[Any, Any]:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._was_left = True
                self._task.cancel()


class EventReads:
    """The shared reads of the subscribers of one event. It is created for the event, so no result is older than that."""

    def __init__(self, database: LiveDatabase, turns: Turns) -> None:
        self._database = database
        self._turns = turns
        self._reads: dict[tuple[Hashable, Hashable], _SharedRead] = {}

    async def rows(
        self, what: Hashable, keys: Collection[K], load: Callable[[LiveDatabase, list[K]], Awaitable[Mapping[K, T]]]
    ) -> dict[K, T]:
        """Return the rows with these keys. Each key is read once for all subscribers that use the same `what`.

        `what` must contain everything besides the key that the rows depend on, above all who may see them.
        """
        missing = [key for key in keys if self._is_missing((what, key))]
        if missing:
            read = _SharedRead(self._database.read_with_retries(lambda: load(self._database, missing)))
            self._reads.update(((what, key), read) for key in missing)
        found: dict[K, T] = {}
        for read in dict.fromkeys(self._reads[what, key] for key in keys):
            known = read.found
            if known is None:
                known = await read.result()
                # Many subscribers may have waited for the same read.
                await self._turns.take()
            found.update(known)
        return {key: found[key] for key in keys if key in found}

    def known(self, what: Hashable, key: Hashable) -> tuple[Any] | None:
        """The value that was read for this key, as a tuple of one: (None,) if it was missing. None if the key was not read."""
        read = self._reads.get((what, key))
        found = None if read is None else read.found
        return None if found is None else (found.get(key),)

    async def once(self, what: Hashable, load: Callable[[LiveDatabase], Awaitable[T]]) -> T:
        """Return what `load` returns. It is called once for all subscribers that use the same `what`."""

        async def load_one(database: LiveDatabase, _: list[None]) -> dict[None, T]:
            return {None: await load(database)}

        return (await self.rows(what, [None], load_one))[None]

    def _is_missing(self, key: tuple[Hashable, Hashable]) -> bool:
        known = self._reads.get(key)
        return known is None or known.has_failed


class LiveReads:
    """The shared reads of all subscribers of one process."""

    def __init__(self, pool: Reader, settings: Settings) -> None:
        self.database = LiveDatabase(pool, settings)
        self.turns = Turns()
        self._events: OrderedDict[Hashable, tuple[float, EventReads]] = OrderedDict()

    def of_event(self, event: Hashable) -> EventReads:
        """The reads of an event, shared for a few seconds after the first call for it."""
        now = monotonic()
        while self._events and (len(self._events) > _MAX_SHARED or next(iter(self._events.values()))[0] < now - _SHARED_SECONDS):
            self._events.popitem(last=False)
        if event not in self._events:
            self._events[event] = now, self.unshared()
        return self._events[event][1]

    def unshared(self) -> EventReads:
        """Reads for one subscriber only."""
        return EventReads(self.database, self.turns)
