"""Redis pub/sub as broadcaster's backend: a connection that survives Redis, and a publisher for the relay."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from broadcaster import BroadcastBackend
from broadcaster import Event as Published
from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError

from app.backoff import Backoff
from app.errors import ConfigurationError
from app.settings import RELAY_RIGHTS, SUBSCRIBER_RIGHTS, Settings
from app.telemetry import metrics

logger = logging.getLogger(__name__)

REDIS_ERRORS: Final = (RedisError, OSError)
"""What talking to Redis may raise while Redis is away."""

_CONNECT_TIMEOUT_SECONDS: Final = 5.0
_CONFIRM_TIMEOUT_SECONDS: Final = 5.0
PING_SECONDS: Final = 5.0
"""After this long a silence Redis is asked whether it is there; after as long again it is not."""


class CatchUp(enum.Enum):
    """The type of CATCH_UP."""

    CATCH_UP = "CATCH_UP"


CATCH_UP: Final = CatchUp.CATCH_UP
"""Takes a message's place: some may have been lost before this one."""


def redis_url(settings: Settings) -> str:
    """The URL of Redis. Raises ConfigurationError where there is none."""
    if settings.redis_url is None:
        raise ConfigurationError("PAYCORE_REDIS_URL is not set. For a demo with its own servers run `paycore dev`.")
    return settings.redis_url.get_secret_value()


class NotPublished(Exception):
    """Redis did not take all messages; any part of them may have gone out. `state` is what `trouble` calls it."""

    def __init__(self, error: BaseException) -> None:
        self.state = trouble(error, RELAY_RIGHTS)
        super().__init__(f"{self.state}: {error}" if self.state == UNAVAILABLE else self.state)


OK: Final = "ok"
UNAVAILABLE: Final = "unavailable"


def trouble(error: BaseException, needed: str) -> str:
    """What is wrong with Redis: that it refuses us, and why, or UNAVAILABLE. `needed` are the rights that the work needs."""
    if error.__cause__ is not None:
        # What goes wrong while connecting comes wrapped.
        error = error.__cause__
    text = str(error)
    # A script that lacks a right says so in an error of another type.
    if isinstance(error, NoPermissionError) or "NOPERM" in text or "ACL failure" in text:
        return f"refused: needs {needed}; Redis says: {text}"
    if isinstance(error, AuthenticationError | AuthorizationError) or "NOAUTH" in text or "WRONGPASS" in text:
        return "refused: the user or the password in PAYCORE_REDIS_URL is not accepted"
    return UNAVAILABLE


# One command for many messages: reading one reply for each is what a relay would spend most of its time with.
_PUBLISH_ALL = "for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end"
_PUBLISH_LOT = 1000
"""Messages for one command: Redis does nothing else meanwhile."""


class RedisPublisher:
    """Publishes many messages in few round trips, in their order."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_CONNECT_TIMEOUT_SECONDS,
            socket_connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        )

    async def publish(self, messages: Sequence[tuple[str, str]]) -> None:
        """Publish (channel, message) pairs; returns once Redis has answered all. Raises NotPublished."""
        try:
            for start in range(0, len(messages), _PUBLISH_LOT):
                lot = messages[start : start + _PUBLISH_LOT]
                await self._client.eval(_PUBLISH_ALL, 0, *(text for message in lot for text in message))
        except REDIS_ERRORS as error:
            raise NotPublished(error) from error

    async def close(self) -> None:
        """Give the connection back."""
        await self._client.aclose()


@dataclass(slots=True)
class _Awaited:
    """A SUBSCRIBE that was sent and that Redis has yet to confirm."""

    channel: str
    confirmed: asyncio.Future[None] | None
    """Whoever waits for it; None after a reconnection, where nobody does."""


class RedisBackend(BroadcastBackend):
    """Redis under broadcaster, supervised.

    Broadcaster's listener asks for one event after the other. Here that means: wait on the connection; when it is
    silent, ping; when it is gone, reconnect, subscribe to everything again and, as Redis confirms each channel, tell its
    subscribers to catch up. Nothing that Redis does ends it.
    """

    def __init__(self, url: str, check_channel: str, *, ping_seconds: float = PING_SECONDS) -> None:
        # RESP2, because there a subscribed connection carries nothing but pushes and pongs. No socket timeout: silence
        # is normal here, and a timeout would wrap each write in a task whose cancellation closes the connection.
        self._pool = redis.ConnectionPool.from_url(
            url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=_CONNECT_TIMEOUT_SECONDS
        )
        self._publisher = RedisPublisher(url)
        self._check_channel = check_channel
        self._ping_seconds = ping_seconds
        self._connection: redis.Connection | None = None
        self._channels: set[str] = set()
        self._awaited: deque[_Awaited] = deque()
        self._to_announce: deque[str] = deque()
        self._pinged = False
        self._backoff = Backoff(0.05, 5.0)
        self.tries = 0
        """Connections so far."""
        self._lost: str | None = None
        """What was wrong when it was last logged; None where nothing is."""
        self.state = UNAVAILABLE
        """OK where there is a connection that has answered lately and on which we may subscribe; else what is wrong."""

    async def connect(self) -> None:
        """Try once. Where Redis is away the service starts all the same, and `next_published` goes on trying."""
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
                await self._connect()
                while self.state != OK:
                    await self._read()
        except REDIS_ERRORS as error:
            await self._lose(error)

    async def disconnect(self) -> None:
        """Close the connections."""
        await self._drop()
        await self._publisher.close()

    async def subscribe(self, group: str) -> None:
        """Returns once Redis has confirmed it. Where Redis is away, returns too: CATCH_UP follows once it has."""
        self._channels.add(group)
        if self._connection is None:
            return
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await self._send_subscribe([_Awaited(group, confirmed)])
            async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
                await confirmed
        except REDIS_ERRORS as error:
            logger.debug("no confirmation for %s yet: %s", group, error)

    async def unsubscribe(self, group: str) -> None:
        """Returns once it is sent."""
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
        """The next message, or CATCH_UP in a message's place. Never raises for what Redis does."""
        while True:
            if self._to_announce:
                return Published(self._to_announce.popleft(), cast("str", CATCH_UP))
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
            async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self.tries += 1
        self._connection = connection
        self._pinged = False
        # All that will be sent later, the last with a channel that is always there: that Redis is reached says nothing of what
        # it lets us do, and the confirmation of that channel says that it lets us do all of it.
        async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
            await self._send("PING")
            await self._send("UNSUBSCRIBE", self._check_channel)
            await self._send_subscribe([_Awaited(channel, None) for channel in (self._check_channel, *self._channels)])

    async def _send_subscribe(self, subscriptions: list[_Awaited]) -> None:
        # Redis confirms in the order of sending; noting and writing happen without a pause in between.
        self._awaited.extend(subscriptions)
        await self._send("SUBSCRIBE", *(s.channel for s in subscriptions))

    async def _send(self, *command: str) -> None:
        # Left alone, redis-py would quietly connect again, and nobody would be told to catch up.
        if self._connection is None or not self._connection.is_connected:
            raise redis.ConnectionError("the connection to Redis is gone")
        await self._connection.send_command(*command, check_health=False)

    async def _read(self) -> Published | None:
        """One answer of Redis; None where it was no message."""
        assert self._connection is not None
        answer = await self._connection.read_response(timeout=self._ping_seconds, disconnect_on_error=False)
        if answer is None:
            await self._ping()
            return None
        self._pinged = False
        match answer:
            case [b"message", channel, message]:
                # Anyone who may publish may send bytes that are no text: they must not end the listener of this process.
                return Published(channel.decode(errors="replace"), message.decode(errors="replace"))
            case [b"subscribe", channel, _]:
                self._confirm(channel.decode())
            case _:  # a pong, or the confirmation of an UNSUBSCRIBE
                pass
        return None

    def _confirm(self, channel: str) -> None:
        if not self._awaited or self._awaited[0].channel != channel:
            raise redis.ConnectionError("Redis confirmed what was not asked")
        awaited = self._awaited.popleft()
        if channel == self._check_channel:
            self._found()
        elif awaited.confirmed is not None and not awaited.confirmed.done():
            awaited.confirmed.set_result(None)
        else:
            # Nobody waited for it, so whoever is there may have missed something before it.
            self._to_announce.append(channel)

    async def _ping(self) -> None:
        if self._pinged:
            raise TimeoutError(f"no answer to PING within {self._ping_seconds} s")
        self._pinged = True
        async with asyncio.timeout(self._ping_seconds):
            await self._send("PING")

    def _found(self) -> None:
        self.state = OK
        self._backoff.reset()
        metrics.REDIS_CONNECTED.set(1)
        if self._lost is not None:
            logger.info("Redis is back; %d channels catch up", len(self._channels))
            self._lost = None

    async def _lose(self, error: BaseException) -> None:
        await self._drop()
        self.state = trouble(error, SUBSCRIBER_RIGHTS)
        if self._lost is None:
            metrics.REDIS_LOSSES.inc()
        if self._lost != self.state:
            what = f"away ({error})" if self.state == UNAVAILABLE else self.state
            logger.warning("live updates come from the database until Redis is back; it is %s", what)
            self._lost = self.state

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self.state = UNAVAILABLE
        metrics.REDIS_CONNECTED.set(0)
        for awaited in self._awaited:
            if awaited.confirmed is not None and not awaited.confirmed.done():
                awaited.confirmed.set_result(None)
        self._awaited.clear()
        if connection is not None:
            await connection.disconnect(nowait=True)
