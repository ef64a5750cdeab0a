"""Redis pub/sub as broadcaster's backend, with a connection that recovers from any loss."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, cast

from broadcaster import BroadcastBackend
from broadcaster import Event as Published
from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.backoff import Backoff
from app.messages.publisher import CONNECT_TIMEOUT_SECONDS, OK, REDIS_ERRORS, UNAVAILABLE, RedisPublisher, describe_failure
from app.settings import SUBSCRIBER_RIGHTS
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_CONFIRM_TIMEOUT_SECONDS: Final = 5.0
PING_SECONDS: Final = 5.0
"""Seconds without data until a PING is sent, and until its reply must have arrived."""


class CatchUp(enum.Enum):
    """The type of CATCH_UP."""

    CATCH_UP = "CATCH_UP"


CATCH_UP: Final = CatchUp.CATCH_UP
"""Takes a message's place: some may have been lost before this one."""


@dataclass(slots=True)
class _Unconfirmed:
    """A SUBSCRIBE that was sent and that Redis has not confirmed yet."""

    channel: str
    confirmed: asyncio.Future[None] | None
    """Set on confirmation. None after a reconnection, when no caller waits."""


class RedisBackend(BroadcastBackend):
    """Broadcaster's backend for Redis, which reconnects by itself.

    Broadcaster's listener calls `next_published` in a loop. It waits on the connection and pings after a silence. If the
    connection is lost, it reconnects and subscribes to all channels again; as Redis confirms a channel, its subscribers get
    CATCH_UP. No failure of Redis ends the loop.
    """

    def __init__(self, url: str, check_channel: str, *, ping_seconds: float = PING_SECONDS) -> None:
        # RESP2, because then a subscribed connection carries only pushes and pongs. No socket timeout: silence
        # is normal here, and a timeout would wrap each write in a task whose cancellation closes the connection.
        self._pool = redis.ConnectionPool.from_url(
            url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=CONNECT_TIMEOUT_SECONDS
        )
        self._publisher = RedisPublisher(url)
        self._check_channel = check_channel
        self._ping_seconds = ping_seconds
        self._connection: redis.Connection | None = None
        self._channels: set[str] = set()
        self._unconfirmed: deque[_Unconfirmed] = deque()
        self._channels_to_catch_up: deque[str] = deque()
        self._pinged = False
        self._backoff = Backoff(0.05, 5.0)
        self.tries = 0
        """Connections opened so far."""
        self._logged_failure: str | None = None
        """The failure that was last logged, or None if Redis is fine."""
        self.state = UNAVAILABLE
        """OK if the connection answers and may subscribe; otherwise the failure."""

    async def connect(self) -> None:
        """Try to connect once. If Redis cannot be reached, the service still starts and `next_published` keeps trying."""
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
                await self._connect()
                while self.state != OK:
                    await self._read()
        except REDIS_ERRORS as error:
            await self._lose(error)

    async def disconnect(self) -> None:
        await self._drop()
        await self._publisher.close()

    async def subscribe(self, group: str) -> None:
        """Subscribe, and return once Redis has confirmed it.

        If Redis cannot be reached, return at once; CATCH_UP follows when Redis confirms the channel.
        """
        self._channels.add(group)
        if self._connection is None:
            return
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await self._send_subscribe([_Unconfirmed(group, confirmed)])
            async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
                await confirmed
        except REDIS_ERRORS as error:
            logger.debug("no confirmation for %s yet: %s", group, error)

    async def unsubscribe(self, group: str) -> None:
        """Unsubscribe. Returns once the command is sent."""
        self._channels.discard(group)
        if self._connection is not None:
            try:
                await self._send("UNSUBSCRIBE", group)
            except REDIS_ERRORS as error:
                logger.debug("could not unsubscribe from %s: %s", group, error)

    async def publish(self, channel: str, message: Any) -> None:
        """Publish one message. Raises NotPublished."""
        await self._publisher.publish([(channel, message)])

    async def next_published(self) -> Published:
        """Return the next message, or CATCH_UP in place of one. Raises nothing when Redis fails."""
        while True:
            if self._channels_to_catch_up:
                return Published(self._channels_to_catch_up.popleft(), cast("str", CATCH_UP))
            try:
                if self._connection is None:
                    await asyncio.sleep(self._backoff.next())
                    await self._connect()
                event = await self._read()
            except REDIS_ERRORS as error:
                await self._lose(error)
            else:
                if event is not None:
                    return event

    async def _connect(self) -> None:
        connection: redis.Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self.tries += 1
        self._connection = connection
        self._pinged = False
        # Send every kind of command that is used later, SUBSCRIBE last, with a channel that always exists. A connection alone
        # does not show which rights the user has; the confirmation of that channel shows that it has all of them.
        async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
            await self._send("PING")
            await self._send("UNSUBSCRIBE", self._check_channel)
            await self._send_subscribe([_Unconfirmed(channel, None) for channel in (self._check_channel, *self._channels)])

    async def _send_subscribe(self, subscriptions: list[_Unconfirmed]) -> None:
        # Redis confirms in the order of sending. There is no await between this line and the write, so the order is the same.
        self._unconfirmed.extend(subscriptions)
        await self._send("SUBSCRIBE", *(s.channel for s in subscriptions))

    async def _send(self, *command: str) -> None:
        # redis-py would reconnect silently here, and subscribers would get no CATCH_UP.
        if self._connection is None or not self._connection.is_connected:
            raise redis.ConnectionError("the connection to Redis is gone")
        await self._connection.send_command(*command, check_health=False)

    async def _read(self) -> Published | None:
        """Read one reply from Redis. Returns None if it is not a message."""
        assert self._connection is not None
        answer = await self._connection.read_response(timeout=self._ping_seconds, disconnect_on_error=False)
        if answer is None:
            await self._ping()
            return None
        self._pinged = False
        match answer:
            case [b"message", channel, message]:
                # Any client that may publish can send invalid UTF-8. It must not end this process's listener.
                return Published(channel.decode(errors="replace"), message.decode(errors="replace"))
            case [b"subscribe", channel, _]:
                self._confirm(channel.decode())
            case _:  # a pong, or the confirmation of an UNSUBSCRIBE
                pass
        return None

    def _confirm(self, channel: str) -> None:
        if not self._unconfirmed or self._unconfirmed[0].channel != channel:
            raise redis.ConnectionError("Redis confirmed a channel that was not requested")
        subscription = self._unconfirmed.popleft()
        if channel == self._check_channel:
            self._recover()
        elif subscription.confirmed is not None and not subscription.confirmed.done():
            subscription.confirmed.set_result(None)
        else:
            # No caller waited for this confirmation, so existing subscribers may have missed messages before it.
            self._channels_to_catch_up.append(channel)

    async def _ping(self) -> None:
        if self._pinged:
            raise TimeoutError(f"no answer to PING within {self._ping_seconds} s")
        self._pinged = True
        async with asyncio.timeout(self._ping_seconds):
            await self._send("PING")

    def _recover(self) -> None:
        self.state = OK
        self._backoff.reset()
        metrics.REDIS_CONNECTED.set(1)
        if self._logged_failure is not None:
            logger.info("Redis is back; %d channels catch up", len(self._channels))
            self._logged_failure = None

    async def _lose(self, error: BaseException) -> None:
        await self._drop()
        self.state = describe_failure(error, SUBSCRIBER_RIGHTS)
        if self._logged_failure is None:
            metrics.REDIS_LOSSES.inc()
        if self._logged_failure != self.state:
            what = f"unavailable ({error})" if self.state == UNAVAILABLE else self.state
            logger.warning("live updates come from the database until Redis is back; Redis is %s", what)
            self._logged_failure = self.state

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self.state = UNAVAILABLE
        metrics.REDIS_CONNECTED.set(0)
        for subscription in self._unconfirmed:
            if subscription.confirmed is not None and not subscription.confirmed.done():
                subscription.confirmed.set_result(None)
        self._unconfirmed.clear()
        if connection is not None:
            await connection.disconnect(nowait=True)
