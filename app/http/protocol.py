"""HTTP/1.1 and WebSockets from strangers: what uvicorn would wait for without end, or keep without limit, ends here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

BODY_ARRIVED = "body_arrived"
"""In a request's state: all of it is here, so that nobody need wait for it."""
ON_STOP = "on_stop"
"""In a WebSocket's state: what to call when the process stops. Whoever puts it there closes the socket, soon."""
_LAST_WORDS_SECONDS = 3.0
"""For a client to take what was said last, once it is given up."""
_NO_TEXT = 1007
"""The code for a message whose bytes do not fit its type (RFC 6455, section 7.4.1)."""
_FRAGMENTS = 1000
"""Parts of a WebSocket message that are kept apart. Each costs as much as some dozens of bytes, were it empty."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take; see the settings of these names."""

    head_seconds: float
    head_bytes: int
    send_seconds: float


class _Impatient(asyncio.Protocol):
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
        _call_off(self._unsent_timer)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        _call_off(self._unsent_timer)
        _call_off(self._end_timer)
        super().connection_lost(exc)

    def _end_within(self, seconds: float) -> None:
        """A transport that is closed sends what is left first, which may take for ever: so much time it has."""
        if self._end_timer is None:
            self._end_timer = self.loop.call_later(seconds, self.transport.abort)


class GuardedProtocol(_Impatient, HttpToolsProtocol):
    """Closes connections whose request takes too long to begin, or whose headers are too large, or that are not wanted."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _knows_head = False
    """The parser reads a head that has been handled."""
    _is_done = False
    """Nothing that still comes is a request."""
    _answering: RequestResponseCycle | None = None
    """The request that is being answered, or was last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: it must ask something."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._end_head()
        super().connection_lost(exc)
        # Uvicorn only lets the latest request know, which may be one that waits behind the one that is being answered.
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if self._is_done:
            return
        awaited = self._head_timer
        self._unset_keepalive_if_required()
        self._parse(data)
        if self._head_timer is not None:
            # A head that began in these bytes may have come after whole requests: it counts from the next ones on.
            self._head_bytes += len(data) if self._head_timer is awaited else 0
            if self._head_bytes > self._limits.head_bytes and not self.transport.is_closing():
                self._end_head()
                self.send_400_response("The request's headers are too large.")
        elif self._awaits_nothing():
            # An empty line, say, begins no request, but has called off the wait for one.
            self._begin_head()

    def _parse(self, data: bytes) -> None:
        """Feed the parser. As uvicorn does, but an upgrade that is not to a WebSocket is ignored and what follows is read."""
        while data and not self._is_done:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                    return
                data = data[upgrade.args[0] :]
                self._go_on_without_upgrade()
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return

    def _go_on_without_upgrade(self) -> None:
        """Read on as if the request had asked for no upgrade (RFC 9110, section 7.8).

        The parser has ended the message at its head, and would take its body for another request. A new one is brought to the
        same place by the part of the head that says how long the body is.
        """
        framing = (b"content-length", b"transfer-encoding")
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] in framing]
        head = b"%b / HTTP/1.1\r\n%b\r\n" % (self.scope["method"].encode(), b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._knows_head = True
        self.parser.feed_data(head)
        self._knows_head = False

    def on_url(self, url: bytes) -> None:
        """Some of the URL."""
        if not self._knows_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._knows_head:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._knows_head:
            return
        super().on_message_begin()
        if self._head_timer is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """The request can be answered."""
        if self._knows_head:
            return
        self._end_head()
        if self.parser.get_method() == b"CONNECT":
            # What follows would be another protocol's bytes, to another host.
            self._is_done = True
            self.send_400_response("CONNECT is not supported.")
            return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of its body."""
        if self._is_done or (self.parser.should_upgrade() and not self._should_upgrade()):
            # Of an upgrade that is ignored, only the head has ended.
            return
        self.scope["state"][BODY_ARRIVED] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is written. One that came before the end of its request's body is the connection's last."""
        is_early = not self.pipeline and self.cycle.more_body
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_within(self._limits.send_seconds)
        elif is_early:
            self._say_goodbye()

    def handle_websocket_upgrade(self) -> None:
        """From here on the connection is another protocol's; not where earlier answers are still waiting to be taken."""
        self._is_done = True
        if self.flow.write_paused:
            self.transport.abort()
            return
        super().handle_websocket_upgrade()
        if self.transport.is_closing():
            self._end_within(self._limits.send_seconds)

    def timeout_keep_alive_handler(self) -> None:
        """No other request came."""
        super().timeout_keep_alive_handler()
        self._end_within(self._limits.send_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and close."""
        super().send_400_response(msg)
        self._end_within(self._limits.send_seconds)

    def _should_upgrade(self) -> bool:
        """Uvicorn counts requests alone. A socket too many becomes a request, and is answered like one too many of those."""
        return super()._should_upgrade() and self._is_handshake() and not self._is_one_too_many()

    def _is_handshake(self) -> bool:
        """Whether it is a GET without a body (RFC 6455, section 4.1): a body would be read as WebSocket frames."""
        has_body = any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers)
        return self.scope["method"] == "GET" and not has_body

    def _is_one_too_many(self) -> bool:
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def _awaits_nothing(self) -> bool:
        if self._is_done or self.transport.is_closing():
            return False
        # There is one: the wait for a connection's first request ends with its headers.
        return self.cycle.response_complete and not self.pipeline

    def _say_goodbye(self) -> None:
        """Half close, and let what comes go by for a while: closed on unread bytes, a connection loses its answer too."""
        self._is_done = True
        self._unset_keepalive_if_required()
        self.transport.write_eof()
        self._head_timer = self.loop.call_later(_LAST_WORDS_SECONDS, self._give_up)

    def _begin_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._give_up)

    def _end_head(self) -> None:
        _call_off(self._head_timer)
        self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
            self._end_within(self._limits.send_seconds)


class GuardedWebSocket(_Impatient, WebSocketsSansIOProtocol):
    """Lets go of a client that answers no ping, even where it takes no bytes any more, and keeps nothing for its own pings.

    At the process's end it ends with its last answer.
    """

    _pong = b""
    """Owed to the client as soon as it takes anything."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send. Raises ClientDisconnected where the client has gone or is being let go of."""
        await self.writable.wait()
        if self.close_sent:
            # Uvicorn raises a RuntimeError then, which might as well be a fault of ours.
            raise ClientDisconnected
        await super().send(message)

    def send_receive_event_to_app(self) -> None:
        """One whole message. One that is sent as text and is none ends the socket: uvicorn would log a traceback."""
        self.frames = [b"".join(self.frames)]
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames[0]):
            self.frames = []
            self.conn.send_close(_NO_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, once there is room: of several pings only the last needs an answer (RFC 6455, section 5.5.3)."""
        pongs = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        """Most of what was unsent has been taken."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_cont(self, event: Frame) -> None:
        """One more part of a message."""
        super().handle_cont(event)
        if len(self.frames) >= _FRAGMENTS:
            self.frames = [b"".join(self.frames)]

    def shutdown(self) -> None:
        """The process stops. Uvicorn would close at once, also where a transfer has yet to be answered."""
        self.close_timeout = _LAST_WORDS_SECONDS
        on_stop = self.scope["state"].get(ON_STOP) if self.handshake_complete and not self.close_sent else None
        if on_stop is None:
            super().shutdown()
        else:
            on_stop()

    def keepalive_timeout(self) -> None:
        """No pong came. Closing waits until all is sent, which may be never: so not for long."""
        super().keepalive_timeout()
        self._end_within(_LAST_WORDS_SECONDS)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Nobody here serves the socket any more. Its client has the time that uvicorn gives it to close on its own side."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._end_within(self.close_timeout + _LAST_WORDS_SECONDS)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _call_off(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
