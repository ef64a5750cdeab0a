"""How a connection ends, of HTTP and WebSockets alike: within a time limit, and with its last answer taken where that can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LAST_WORDS_SECONDS = 3.0
"""For a client to take what was said last, once it is given up."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take; see the settings of these names."""

    head_seconds: float
    head_bytes: int
    send_seconds: float


class Impatient(asyncio.Protocol):
    """Ends a connection whose client does not take what it is sent, or what is left of it at the end."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _unsent_timer: asyncio.TimerHandle | None = None
    _end_timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits

    def pause_writing(self) -> None:
        """Too much is unsent."""
        super().pause_writing()
        self._unsent_timer = self.loop.call_later(self._limits.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Most of it has been taken."""
        call_off(self._unsent_timer)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        call_off(self._unsent_timer)
        call_off(self._end_timer)
        super().connection_lost(exc)

    def _end_within(self, seconds: float) -> None:
        """A transport that is closed sends what is left first, which may take for ever: so much time it has."""
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(seconds, self.transport.abort)


class ConsiderateTransport(asyncio.Transport):
    """Closes so that a client that may still be sending gets its answer: it is half closed, and let go a while later.

    A connection that is closed on unread bytes is reset, and its last answer is lost.
    """

    def __init__(self, transport: asyncio.Transport, may_be_sending: Callable[[], bool], half_close: Callable[[], None]) -> None:
        super().__init__()
        self.real = transport
        self._may_be_sending = may_be_sending
        self._half_close = half_close
        self._is_closing = False

    def write(self, data: Any) -> None:
        """Send."""
        self.real.write(data)

    def is_closing(self) -> bool:
        """Whether nothing more will be said, although the rest of a request may still be let go by."""
        return self._is_closing or self.real.is_closing()

    def close(self) -> None:
        """Say nothing more."""
        if self.is_closing():
            return
        self._is_closing = True
        if self._may_be_sending():
            self._half_close()
        else:
            self.real.close()

    def abort(self) -> None:
        """Close without waiting for anything."""
        self.real.abort()


def call_off(timer: asyncio.TimerHandle | None) -> None:
    """Cancel the timer, if there is one."""
    if timer is not None:
        timer.cancel()
