"""How a connection of HTTP or a WebSocket ends: within a time limit, and after the client has read the last answer if it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LAST_WORDS_SECONDS = 3.0
"""Time for a client to read the last bytes before its connection is closed."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of a connection. The settings describe them."""

    head_seconds: float
    send_seconds: float


class SendTimeouts(asyncio.Protocol):
    """Ends a connection whose client does not read what it is sent, also while the connection closes."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _unsent_timer: asyncio.TimerHandle | None = None
    _end_timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits

    def pause_writing(self) -> None:
        """Abort if the client does not read the unsent bytes in time."""
        super().pause_writing()
        self._unsent_timer = self.loop.call_later(self._limits.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read most of the unsent bytes."""
        cancel(self._unsent_timer)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers of the connection."""
        cancel(self._unsent_timer)
        cancel(self._end_timer)
        super().connection_lost(exc)

    def _end_within(self, seconds: float) -> None:
        """Abort after this time. A closed transport first sends its unsent bytes, which may never end."""
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(seconds, self.transport.abort)


class ConsiderateTransport(asyncio.Transport):
    """Half closes the connection of a client that may still be sending, and closes it a while later.

    If a connection is closed with unread bytes, the system resets it, and the last answer is lost.
    """

    def __init__(self, transport: asyncio.Transport, may_be_sending: Callable[[], bool], half_close: Callable[[], None]) -> None:
        super().__init__()
        self.real = transport
        self._may_be_sending = may_be_sending
        self._half_close = half_close
        self._is_closing = False

    def write(self, data: Any) -> None:
        self.real.write(data)

    def is_closing(self) -> bool:
        """Whether nothing more will be sent. The rest of a request may still be read and ignored."""
        return self._is_closing or self.real.is_closing()

    def close(self) -> None:
        """Send nothing more. Half closes if the client may still be sending."""
        if self.is_closing():
            return
        self._is_closing = True
        if self._may_be_sending():
            self._half_close()
        else:
            self.real.close()

    def abort(self) -> None:
        """Close without waiting for unsent bytes."""
        self.real.abort()


def cancel(timer: asyncio.TimerHandle | None) -> None:
    """Cancel the timer, if there is one."""
    if timer is not None:
        timer.cancel()
