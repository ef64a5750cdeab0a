"""Publishing to Redis, and what is wrong with Redis when it does not accept a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError

from app.errors import ConfigurationError
from app.settings import RELAY_RIGHTS, Settings

CONNECT_TIMEOUT_SECONDS: Final = 5.0
REDIS_ERRORS: Final = (RedisError, OSError)
"""What a command to Redis may raise while Redis cannot be reached."""

OK: Final = "ok"
UNAVAILABLE: Final = "unavailable"


def describe_failure(error: BaseException, needed: str) -> str:
    """Return why Redis refuses the commands, or UNAVAILABLE. `needed` names the rights that the commands need."""
    if error.__cause__ is not None:
        # redis-py wraps errors while connecting.
        error = error.__cause__
    text = str(error)
    # A missing right inside a script is reported by an error of another type.
    if isinstance(error, NoPermissionError) or "NOPERM" in text or "ACL failure" in text:
        return f"refused: needs {needed}; Redis says: {text}"
    if isinstance(error, AuthenticationError | AuthorizationError) or "NOAUTH" in text or "WRONGPASS" in text:
        return "refused: the user or the password in PAYCORE_REDIS_URL is not accepted"
    return UNAVAILABLE


def redis_url(settings: Settings) -> str:
    """The URL of Redis. Raises ConfigurationError if it is not set."""
    if settings.redis_url is None:
        raise ConfigurationError("PAYCORE_REDIS_URL is not set. For a demo with its own servers run `paycore dev`.")
    return settings.redis_url.get_secret_value()


class NotPublished(Exception):
    """Redis did not accept all messages; some may have been published. `state` comes from `describe_failure`."""

    def __init__(self, error: BaseException) -> None:
        self.state = describe_failure(error, RELAY_RIGHTS)
        super().__init__(f"{self.state}: {error}" if self.state == UNAVAILABLE else self.state)


# One command for many messages: otherwise a relay spends most of its time reading one reply for each.
_PUBLISH_ALL = "for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end"
_MESSAGES_PER_COMMAND = 1000
"""Limited because Redis serves nobody else while a script runs."""


class Publisher(Protocol):
    """What the outbox relay needs of a message broker."""

    async def publish(self, messages: Sequence[tuple[str, str]]) -> None:
        """Publish (channel, message) pairs in order. Returns once the broker has accepted all of them. Raises NotPublished."""


class RedisPublisher:
    """Publishes many messages in order, in few round trips."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=CONNECT_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )

    async def publish(self, messages: Sequence[tuple[str, str]]) -> None:
        """Publish (channel, message) pairs. Returns once Redis has answered every command. Raises NotPublished."""
        try:
            for start in range(0, len(messages), _MESSAGES_PER_COMMAND):
                part = messages[start : start + _MESSAGES_PER_COMMAND]
                await self._client.eval(_PUBLISH_ALL, 0, *(text for message in part for text in message))
        except REDIS_ERRORS as error:
            raise NotPublished(error) from error

    async def close(self) -> None:
        await self._client.aclose()
