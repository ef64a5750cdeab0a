"""Events between processes over Redis pub/sub. Messages may be lost, and subscribers learn of it.

Redis drops what it cannot deliver. A subscription therefore gets CATCH_UP wherever messages may be missing: after the
connection was lost, or when its buffer overflowed. It then reads the database, which has everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, cast

from broadcaster import Broadcast
from broadcaster import Event as Published

from app import tasks
from app.messages.publisher import OK
from app.messages.redis_backend import CATCH_UP, PING_SECONDS, CatchUp, RedisBackend
from app.telemetry import metrics

SUBSCRIBER_BUFFER = 1000
"""Events kept for a slow subscriber. If there are more, it catches up from the database."""


class Unsubscribed(Exception):
    """The service is stopping, so no further message will come."""


class _Buffer(asyncio.Queue[Published | None]):
    """The queue that broadcaster fills for one subscriber. Never blocks broadcaster and never exceeds its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.dropped = 0
        self.catch_up_pending = False

    async def put(self, item: Published | None) -> None:
        if item is not None and item.message is cast("str", CATCH_UP):
            self.offer_catch_up(item.channel)
            return
        if item is not None and self.qsize() >= self.limit:
            self._overflow(item.channel)
        self.put_nowait(item)

    def offer_catch_up(self, channel: str) -> None:
        """Add a CATCH_UP unless one is waiting already. One is enough, since the database is read when it is taken."""
        if not self.catch_up_pending:
            self.catch_up_pending = True
            self.put_nowait(Published(channel, cast("str", CATCH_UP)))

    def _overflow(self, channel: str) -> None:
        metrics.OVERFLOWS.inc()
        self.dropped += self.qsize() - self.catch_up_pending
        while not self.empty():
            self.get_nowait()
        self.catch_up_pending = False
        self.offer_catch_up(channel)


class Subscription:
    """One subscriber of one channel."""

    def __init__(self, channel: str, buffer: _Buffer) -> None:
        self._channel = channel
        self._buffer = buffer

    async def get(self) -> str | Literal[CatchUp.CATCH_UP]:
        """Return the next message, or CATCH_UP. Raises Unsubscribed when the service stops."""
        event = await self._buffer.get()
        if event is None:
            raise Unsubscribed
        message = cast("str | CatchUp", event.message)
        if message is CATCH_UP:
            self._buffer.catch_up_pending = False
        return message

    def catch_up(self) -> None:
        """Make `get` return CATCH_UP after the messages that are waiting already."""
        self._buffer.offer_catch_up(self._channel)

    def take_dropped(self) -> int:
        """Return the number of messages dropped since the last call because the buffer was full."""
        dropped, self._buffer.dropped = self._buffer.dropped, 0
        return dropped


class PubSub(Broadcast):
    """Broadcaster with support for Redis restarts, slow subscribers, and an orderly stop."""

    def __init__(
        self, url: str, check_channel: str, *, buffer: int = SUBSCRIBER_BUFFER, ping_seconds: float = PING_SECONDS
    ) -> None:
        self._redis = RedisBackend(url, check_channel, ping_seconds=ping_seconds)
        self._buffer_limit = buffer
        super().__init__(backend=self._redis)

    @property
    def healthy(self) -> bool:
        """Whether messages arrive now. If not, subscribers get everything later, from the database."""
        return self._redis.state == OK

    @property
    def state(self) -> str:
        """`ok`, or the problem with Redis."""
        return self._redis.state

    async def disconnect(self) -> None:
        """Stop listening, end every subscription, close the connections."""
        await tasks.end(self._listener_task)
        for buffers in self._subscribers.values():
            for buffer in buffers:
                buffer.put_nowait(None)
        await self._backend.disconnect()

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscription]:  # type: ignore[override]
        """Subscribe to a channel, once Redis has confirmed it. If Redis cannot be reached, CATCH_UP follows once it has."""
        buffer = _Buffer(self._buffer_limit)
        # Registered before SUBSCRIBE is sent, so that it misses no CATCH_UP. Every subscriber sends its own SUBSCRIBE, even if
        # the channel has one: Redis ignores the repetition, but its reply confirms that messages now arrive.
        self._subscribers.setdefault(channel, set()).add(buffer)
        try:
            await self._redis.subscribe(channel)
            yield Subscription(channel, buffer)
        finally:
            buffers = self._subscribers[channel]
            buffers.discard(buffer)
            if not buffers:
                del self._subscribers[channel]
                await self._redis.unsubscribe(channel)
